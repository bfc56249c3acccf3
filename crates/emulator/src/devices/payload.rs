//! What simulated devices send.

use serde_json::{Value, json};

/// Makes a device's messages; a seed gives the same ones again.
pub(super) struct Payloads {
    rng: fastrand::Rng,
    temperature: f64,
    humidity: f64,
    sequence: u64,
}

impl Payloads {
    /// For the device `thing` of the run `seed`.
    pub(super) fn new(thing: &str, seed: u64) -> Self {
        // FNV-1a: the same on every machine and in every version of the standard library.
        let hash = thing
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
        let mut rng = fastrand::Rng::with_seed(seed ^ hash);
        let (temperature, humidity) = (18.0 + rng.f64() * 6.0, 38.0 + rng.f64() * 6.0);
        Self { rng, temperature, humidity, sequence: 0 }
    }

    /// A number in 0..1 from the device's own sequence.
    pub(super) fn chance(&mut self) -> f64 {
        self.rng.f64()
    }

    fn step(&mut self) {
        self.temperature = (self.temperature + self.rng.f64() * 0.6 - 0.3).clamp(15.1, 29.9);
        self.humidity = (self.humidity + self.rng.f64() * 1.0 - 0.5).clamp(35.0, 49.0);
        self.sequence += 1;
    }

    /// About 119 bytes of JSON, as the workshop's sensors send.
    pub(super) fn telemetry(&mut self, thing: &str, epoch_secs: i64) -> Vec<u8> {
        self.step();
        let text = format!(
            r#"{{"device":"{thing}","sensor":"DHT22","temperature":{:.2},"humidity":{:.1},"unit":"C","seq":{:06},"ts":{epoch_secs}}}"#,
            self.temperature,
            self.humidity,
            // A leading zero is not JSON.
            100_000 + self.sequence % 900_000,
        );
        text.into_bytes()
    }

    /// The rogue's message: random A–Z and 0–9, not JSON.
    pub(super) fn noise(&mut self, bytes: usize) -> Vec<u8> {
        self.sequence += 1;
        const LETTERS: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        // A message of digits only would be JSON; the first one is a letter.
        (0..bytes).map(|i| LETTERS[self.rng.usize(..if i == 0 { 26 } else { 36 })]).collect()
    }

    /// A shadow update with what the demo device measures.
    pub(super) fn shadow_report(&mut self) -> Value {
        self.step();
        let round = |v: f64| (v * 10.0).round() / 10.0;
        json!({"state": {"reported": {"Temperature": round(self.temperature), "Humidity": round(self.humidity)}}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telemetry_is_json_of_the_workshops_size() {
        let mut payloads = Payloads::new("Thing01", 7);
        for _ in 0..100 {
            let bytes = payloads.telemetry("Thing01", 1_763_707_527);
            assert!(
                (112..=126).contains(&bytes.len()),
                "{}: {}",
                bytes.len(),
                String::from_utf8_lossy(&bytes)
            );
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            assert!(value["temperature"].is_f64());
        }
    }

    #[test]
    fn noise_is_not_json_and_the_seed_decides() {
        let mut one = Payloads::new("Thing02", 7);
        let noise = one.noise(3000);
        assert_eq!(noise.len(), 3000);
        assert!(serde_json::from_slice::<Value>(&noise).is_err());
        assert_eq!(Payloads::new("Thing02", 7).noise(3000), noise);
        assert_ne!(Payloads::new("Thing02", 8).noise(3000), noise);
    }
}
