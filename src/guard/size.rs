//! What a guard of a large fleet takes: connections, processes and subscriptions, and what AWS meters for it. Pure arithmetic
//! over limits and prices that are facts of AWS (docs/aws-iot.md#3.3, #3.12), with every assumption said.

use std::time::Duration;

use serde::Serialize;

/// Messages a second that one connection carries, in and out together (docs/aws-iot.md#3.3).
const MESSAGES: f64 = 100.0;
/// Bytes a second (docs/aws-iot.md#3.3).
const BYTES: f64 = 512.0 * 1024.0;
/// A connection is planned for three fifths of what it carries: devices speak when they like, and what is beyond the limit in any
/// second is discarded without a word. Of 60 messages a second on average more than 100 come in one second of ten days; of 80, in
/// one of a hundred seconds.
const SHARE: f64 = 0.6;
/// Connections of one guard: the bound of `mqtt.connections`.
const CONNECTIONS: u64 = 16;
/// What one message is metered in (docs/aws-iot.md#3.12).
const METERED: f64 = 5.0 * 1024.0;
/// US dollars for a message up to the first billion a month, and for a minute of connection (docs/aws-iot.md#3.12).
const MESSAGE: f64 = 1.0 / 1e6;
const MINUTE: f64 = 0.08 / 1e6;
/// Days of a month, as AWS's own examples have them.
const DAYS: f64 = 30.0;

/// What is assumed of a fleet.
#[derive(Clone, Copy, Debug)]
pub struct Fleet {
    /// Devices.
    pub devices: u64,
    /// Between two messages of a device.
    pub every: Duration,
    /// Bytes of a message.
    pub bytes: u64,
}

/// What it takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Size {
    /// Messages a second of the whole fleet.
    pub messages_per_second: f64,
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// MQTT connections of all guards together.
    pub connections: u64,
    /// Guards, each with a share of the fleet.
    pub guards: u64,
    /// Devices whose topics one connection carries.
    pub devices_per_connection: u64,
    /// Messages a month that AWS meters for delivering them to the guards.
    pub metered_messages_per_month: f64,
    /// US dollars a month for those, at the price of the first billion.
    pub dollars_for_messages: f64,
    /// US dollars a month for the connections.
    pub dollars_for_connections: f64,
    /// What was assumed, and what to mind.
    pub notes: Vec<String>,
}

/// Works it out.
pub fn size(fleet: Fleet) -> Size {
    let every = fleet.every.as_secs_f64().max(0.001);
    let messages = fleet.devices as f64 / every;
    let bytes = messages * fleet.bytes as f64;
    let needed = (messages / (MESSAGES * SHARE)).max(bytes / (BYTES * SHARE)).ceil().max(1.0);
    let connections = needed as u64;
    let guards = connections.div_ceil(CONNECTIONS);
    let metered = messages * 86_400.0 * DAYS * (fleet.bytes as f64 / METERED).ceil().max(1.0);
    let mut notes = vec![
        format!("every device sends {} bytes every {} s, evenly", fleet.bytes, every),
        "one connection carries 100 messages and 512 KB a second, in and out together, and what is more is discarded \
         without a word; three fifths of it are planned for, because devices speak when they like"
            .to_owned(),
        format!("one guard has up to {CONNECTIONS} connections (mqtt.connections); filters that overlap stay on one"),
        "what a device sends is metered anyway; here is only its delivery to the guards, in units of 5 KB, at 1.00 USD a \
         million (less above a billion a month), and 0.08 USD a million minutes of connection; prices differ by region"
            .to_owned(),
        "CONNECT: at most 500 a second for an account; 50 subscriptions for a connection".to_owned(),
    ];
    if guards > 1 {
        notes.push(format!(
            "{guards} guards split the fleet by filters that do not overlap, each with topics and a state folder of its own; a \
             percentile of the fleet (statisticalThreshold) is then one of each share"
        ));
    }
    if messages / connections as f64 > MESSAGES * SHARE * 0.999 && fleet.devices < connections {
        notes.push(
            "one device alone sends more than a connection carries: it cannot be judged from outside"
                .to_owned(),
        );
    }
    Size {
        messages_per_second: messages,
        bytes_per_second: bytes,
        connections,
        guards,
        devices_per_connection: fleet.devices.div_ceil(connections),
        metered_messages_per_month: metered,
        dollars_for_messages: metered * MESSAGE,
        dollars_for_connections: connections as f64 * 60.0 * 24.0 * DAYS * MINUTE,
        notes,
    }
}

impl Size {
    /// For people.
    pub fn text(&self, devices: u64) -> String {
        let mut out = format!(
            "{devices} devices: {:.1} messages and {:.1} KB a second\n{} connections, {} devices each, in {} guards\n\
             {:.1} million messages a month are delivered to them: {:.2} USD, and {:.2} USD for the connections\n\nassumed:\n",
            self.messages_per_second,
            self.bytes_per_second / 1024.0,
            self.connections,
            self.devices_per_connection,
            self.guards,
            self.metered_messages_per_month / 1e6,
            self.dollars_for_messages,
            self.dollars_for_connections,
        );
        for note in &self.notes {
            out.push_str(&format!("- {note}\n"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(devices: u64, every: u64, bytes: u64) -> Size {
        size(Fleet { devices, every: Duration::from_secs(every), bytes })
    }

    #[test]
    fn connections_follow_from_messages_or_from_bytes_whichever_is_more() {
        let small = of(100, 10, 120);
        assert_eq!((small.connections, small.guards), (1, 1));
        let many = of(100_000, 10, 120);
        // 10,000 messages a second at 60 each.
        assert_eq!((many.connections, many.guards, many.devices_per_connection), (167, 11, 599));
        assert!(many.notes.iter().any(|note| note.contains("11 guards")));
        let large = of(100_000, 100, 100_000);
        // 1,000 messages a second, and 95 MB of them.
        assert_eq!(large.connections, 318);
    }

    /// A million devices in the shares that the plan asks for: each device is of one share, no connection of a guard has two
    /// filters, and devices that speak when they like stay below what a connection carries, second by second.
    #[test]
    fn a_million_devices_fit_the_plan() {
        const DEVICES: u64 = 1_000_000;
        const SECONDS: usize = 30;
        let plan = of(DEVICES, 10, 200);
        let shares = usize::try_from(plan.connections).unwrap();
        // A share is a site; the devices of a site are those that its filter is for.
        let filters: Vec<String> = (0..shares).map(|site| format!("dt/site-{site}/#")).collect();
        let dialect = quell_rules::topics::Dialect::Aws;
        for guard in filters.chunks(usize::try_from(CONNECTIONS).unwrap()) {
            let mut settings = crate::config::Settings { topics: guard.to_vec(), ..Default::default() };
            settings.mqtt.connections = 16;
            assert_eq!(settings.connections(), guard.len(), "each filter has a connection of its own");
        }
        assert_eq!(filters.chunks(16).count() as u64, plan.guards);
        for (n, a) in filters.iter().enumerate() {
            assert!(filters[n + 1..].iter().all(|b| !dialect.meets(a, b)), "{a} meets another");
        }
        let mut rng = fastrand::Rng::with_seed(14);
        let mut heard = vec![[0_u32; SECONDS]; shares];
        for device in 0..usize::try_from(DEVICES).unwrap() {
            let site = device % shares;
            let topic = format!("dt/site-{site}/device-{device}");
            assert!(dialect.matches(&filters[site], &topic));
            let phase = rng.usize(..10);
            heard[site].iter_mut().skip(phase).step_by(10).for_each(|second| *second += 1);
        }
        let most = heard.iter().flatten().max().copied().unwrap_or_default();
        assert!(f64::from(most) <= MESSAGES, "{most} messages in a second of a connection");
        let all: u64 = heard.iter().flatten().map(|n| u64::from(*n)).sum();
        assert_eq!(all, DEVICES * SECONDS as u64 / 10, "every device is heard");
    }

    #[test]
    fn what_is_metered_is_counted_in_units_of_5_kb() {
        let one = of(1_000, 10, 120);
        assert_eq!(one.metered_messages_per_month, 100.0 * 86_400.0 * 30.0);
        assert!((one.dollars_for_messages - 259.2).abs() < 1e-9, "{one:?}");
        let larger = of(1_000, 10, 5 * 1024 + 1);
        assert_eq!(larger.metered_messages_per_month, 2.0 * one.metered_messages_per_month);
        // As AWS's example has it: 100,000 connections for 30 days are 345.60 USD.
        assert!((100_000.0 * 60.0 * 24.0 * DAYS * MINUTE - 345.6).abs() < 1e-9);
    }
}
