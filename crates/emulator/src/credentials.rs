//! The credentials folder: what an operator, a device or a test needs to reach the emulated account.
//!
//! `root-CA.pem`, `operator.env` and, for each simulated thing, `THING.cert.pem` and `THING.private.key`. Folders are 0700,
//! files 0600.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The folder. A temporary one is removed when this is dropped.
#[derive(Debug)]
pub struct CredentialsDir {
    path: PathBuf,
    temporary: bool,
}

/// A certificate with its private key, in PEM.
#[derive(Clone)]
pub struct KeyPairPem {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: String,
}

impl CredentialsDir {
    /// Opens `path`, making it where it is missing; a private temporary folder without one.
    ///
    /// # Errors
    /// The folder cannot be made or is not a folder.
    pub fn open(path: Option<&Path>) -> io::Result<Self> {
        match path {
            Some(path) => {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))?;
                Ok(Self { path: path.canonicalize()?, temporary: false })
            }
            None => {
                for _ in 0..16 {
                    let path = std::env::temp_dir().join(format!("quell-{:016x}", fastrand::u64(..)));
                    match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                        Ok(()) => return Ok(Self { path, temporary: true }),
                        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                        Err(error) => return Err(error),
                    }
                }
                Err(io::Error::new(io::ErrorKind::AlreadyExists, "no free name for a temporary folder"))
            }
        }
    }

    /// The same folder for someone who writes to it and leaves its removal to the owner.
    pub fn lend(&self) -> Self {
        Self { path: self.path.clone(), temporary: false }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, 0600, replacing one that is there.
    pub fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(self.path.join(name))?;
        file.write_all(text.as_bytes())
    }

    /// Writes a thing's certificate and key.
    pub fn write_thing(&self, thing: &str, pair: &KeyPairPem) -> io::Result<()> {
        self.write(&format!("{thing}.cert.pem"), &pair.certificate)?;
        self.write(&format!("{thing}.private.key"), &pair.key)
    }

    /// The certificate and key an earlier run wrote for a thing.
    pub fn read_thing(&self, thing: &str) -> Option<KeyPairPem> {
        Some(KeyPairPem {
            certificate: std::fs::read_to_string(self.path.join(format!("{thing}.cert.pem"))).ok()?,
            key: std::fs::read_to_string(self.path.join(format!("{thing}.private.key"))).ok()?,
        })
    }
}

impl Drop for CredentialsDir {
    fn drop(&mut self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, "the temporary credentials folder stays");
        }
    }
}

/// The text of `operator.env`, for `eval "$(cat …)"`.
pub fn operator_env(http: &str, region: &str, access_key: &str, secret_key: &str) -> String {
    let mut out = String::new();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret_key),
        ("AWS_REGION", region),
        ("AWS_DEFAULT_REGION", region),
        ("AWS_ENDPOINT_URL", http),
        ("AWS_ENDPOINT_URL_IOT", http),
        ("AWS_ENDPOINT_URL_IOT_DATA_PLANE", http),
        ("AWS_ENDPOINT_URL_IOT_JOBS_DATA_PLANE", http),
        ("AWS_ENDPOINT_URL_STS", http),
        ("AWS_ENDPOINT_URL_SNS", http),
        ("AWS_ENDPOINT_URL_CLOUDWATCH", http),
        ("AWS_ENDPOINT_URL_S3", http),
    ] {
        out.push_str(&format!("export {name}='{}'\n", value.replace('\'', r"'\''")));
    }
    // A session token of another account would be sent along and refused.
    out.push_str("unset AWS_SESSION_TOKEN AWS_PROFILE\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_private_and_a_temporary_folder_goes() {
        let dir = CredentialsDir::open(None).unwrap();
        let path = dir.path().to_owned();
        dir.write("operator.env", &operator_env("http://127.0.0.1:1", "us-east-1", "te'st", "x")).unwrap();
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("operator.env"))), (0o700, 0o600));
        let text = std::fs::read_to_string(path.join("operator.env")).unwrap();
        assert!(text.contains(r"AWS_ACCESS_KEY_ID='te'\''st'"), "{text}");
        drop(dir);
        assert!(!path.exists());
    }
}
