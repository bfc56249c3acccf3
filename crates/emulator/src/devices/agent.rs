//! The Defender agent of a simulated device: what AWS's Python agent collects and publishes every 300 s (docs/aws-iot.md#3.8).

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// What a healthy sensor listens on: SSH.
const SSH: u16 = 22;
/// Bytes of headers a packet has beside its payload: Ethernet, IP, TCP and TLS, roughly.
const OVERHEAD: u64 = 95;

/// Counts what the device sends and hears, and knows what it listens on.
pub(super) struct Agent {
    ports: BTreeSet<u16>,
    /// Remote end of the device's one connection.
    remote: String,
    last_id: i64,
    out: (u64, u64),
    r#in: (u64, u64),
}

impl Agent {
    /// An agent that has not reported yet, of a device connected to `remote`, an `address:port`.
    pub(super) fn new(remote: String) -> Self {
        Self { ports: BTreeSet::from([SSH]), remote, last_id: 0, out: (0, 0), r#in: (0, 0) }
    }

    /// The device sent a payload of that many bytes.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.out = (self.out.0 + bytes as u64 + OVERHEAD, self.out.1 + 1);
    }

    /// The device received a payload of that many bytes.
    pub(super) fn heard(&mut self, bytes: usize) {
        self.r#in = (self.r#in.0 + bytes as u64 + OVERHEAD, self.r#in.1 + 1);
    }

    /// Something on the device listens on a port that nobody opened before.
    pub(super) fn open(&mut self, port: u16) {
        self.ports.insert(port);
    }

    /// Back to what a healthy device listens on.
    pub(super) fn close(&mut self) {
        self.ports.retain(|p| *p == SSH);
    }

    /// The report of now, long names. Traffic is what came since the last one.
    pub(super) fn report(&mut self, epoch_secs: i64) -> Value {
        // The agent takes the time; reports of a fast clock may come within one second.
        self.last_id = epoch_secs.max(self.last_id + 1);
        let ((bytes_out, packets_out), (bytes_in, packets_in)) =
            (std::mem::take(&mut self.out), std::mem::take(&mut self.r#in));
        let ports: Vec<Value> = self.ports.iter().map(|p| json!({"interface": "eth0", "port": p})).collect();
        json!({
            "header": {"report_id": self.last_id, "version": "1.0"},
            "metrics": {
                "network_stats": {"bytes_in": bytes_in, "bytes_out": bytes_out,
                    "packets_in": packets_in, "packets_out": packets_out},
                "tcp_connections": {"established_connections": {"connections": [
                    {"remote_addr": self.remote, "local_interface": "eth0", "local_port": 49_152}], "total": 1}},
                "listening_tcp_ports": {"ports": ports, "total": self.ports.len()},
                "listening_udp_ports": {"ports": [{"interface": "eth0", "port": 68}], "total": 1},
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traffic_is_told_once_and_ports_stay_open() {
        let mut agent = Agent::new("127.0.0.1:8883".to_owned());
        agent.sent(100);
        agent.open(4444);
        let first = agent.report(1_000);
        assert_eq!(first["metrics"]["network_stats"]["bytes_out"], 195);
        assert_eq!(first["metrics"]["listening_tcp_ports"]["total"], 2);
        let second = agent.report(1_000);
        assert_eq!(second["header"]["report_id"], 1_001);
        assert_eq!(second["metrics"]["network_stats"]["packets_out"], 0);
        agent.close();
        assert_eq!(agent.report(2_000)["metrics"]["listening_tcp_ports"]["ports"][0]["port"], 22);
    }
}
