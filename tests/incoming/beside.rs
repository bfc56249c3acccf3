//! Programs that are not ours, run beside the tests.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::screen::LONG;

/// A program that is ended with the test.
pub(crate) struct Beside(Child);

impl Beside {
    pub(crate) fn start(command: &mut Command, port: u16) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + LONG;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "{command:?} does not listen: {:?}", child.try_wait());
            std::thread::sleep(Duration::from_millis(50));
        }
        Self(child)
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
