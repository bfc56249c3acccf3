//! The metrics Device Defender knows, and what a behaviour may ask of each (docs/aws-iot.md#4.1).

use serde::{Deserialize, Serialize};

use super::model::ComparisonOperator;

/// A metric, by what it measures.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Metric {
    /// `aws:message-byte-size`: the payload's bytes; per message, or summed over a window when statistical.
    MessageByteSize,
    /// `aws:num-messages-sent`: device to cloud.
    MessagesSent,
    /// `aws:num-messages-received`: cloud to device.
    MessagesReceived,
    /// `aws:num-authorization-failures`.
    AuthorizationFailures,
    /// `aws:num-connection-attempts`.
    ConnectionAttempts,
    /// `aws:num-disconnects`.
    Disconnects,
    /// `aws:disconnect-duration`, in minutes.
    DisconnectDuration,
    /// `aws:source-ip-address`.
    SourceIp,
    /// `aws:all-bytes-out`.
    BytesOut,
    /// `aws:all-bytes-in`.
    BytesIn,
    /// `aws:all-packets-out`.
    PacketsOut,
    /// `aws:all-packets-in`.
    PacketsIn,
    /// `aws:num-listening-tcp-ports`.
    ListeningTcpCount,
    /// `aws:num-listening-udp-ports`.
    ListeningUdpCount,
    /// `aws:num-established-tcp-connections`.
    EstablishedTcpCount,
    /// `aws:listening-tcp-ports`.
    ListeningTcpPorts,
    /// `aws:listening-udp-ports`.
    ListeningUdpPorts,
    /// `aws:destination-ip-addresses`.
    DestinationIps,
    /// A metric the account defined, by name.
    Custom(String),
}

/// What a metric's value looks like, hence which operators and which member of the expected value fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `count`, with the four order operators.
    Count,
    /// `cidrs`, with `in-cidr-set` and `not-in-cidr-set`.
    Cidrs,
    /// `ports`, with `in-port-set` and `not-in-port-set`.
    Ports,
    /// A custom metric: its type decides.
    Any,
}

/// The durations a window may have, in seconds.
pub const DURATIONS: [i64; 5] = [300, 600, 900, 1800, 3600];

/// Every built-in metric with its name.
pub const BUILT_IN: [(&str, Metric); 18] = [
    ("aws:message-byte-size", Metric::MessageByteSize),
    ("aws:num-messages-sent", Metric::MessagesSent),
    ("aws:num-messages-received", Metric::MessagesReceived),
    ("aws:num-authorization-failures", Metric::AuthorizationFailures),
    ("aws:num-connection-attempts", Metric::ConnectionAttempts),
    ("aws:num-disconnects", Metric::Disconnects),
    ("aws:disconnect-duration", Metric::DisconnectDuration),
    ("aws:source-ip-address", Metric::SourceIp),
    ("aws:all-bytes-out", Metric::BytesOut),
    ("aws:all-bytes-in", Metric::BytesIn),
    ("aws:all-packets-out", Metric::PacketsOut),
    ("aws:all-packets-in", Metric::PacketsIn),
    ("aws:num-listening-tcp-ports", Metric::ListeningTcpCount),
    ("aws:num-listening-udp-ports", Metric::ListeningUdpCount),
    ("aws:num-established-tcp-connections", Metric::EstablishedTcpCount),
    ("aws:listening-tcp-ports", Metric::ListeningTcpPorts),
    ("aws:listening-udp-ports", Metric::ListeningUdpPorts),
    ("aws:destination-ip-addresses", Metric::DestinationIps),
];

impl Metric {
    /// The metric of that name; `None` for an `aws:` name that is none of AWS's.
    pub fn parse(name: &str) -> Option<Self> {
        match BUILT_IN.iter().find(|(n, _)| *n == name) {
            Some((_, metric)) => Some(metric.clone()),
            None if name.starts_with("aws:") || name.is_empty() => None,
            None => Some(Self::Custom(name.to_owned())),
        }
    }

    /// AWS's name of it.
    pub fn name(&self) -> &str {
        match self {
            Self::Custom(name) => name,
            known => BUILT_IN.iter().find(|(_, m)| m == known).map_or("", |(n, _)| n),
        }
    }

    /// True of what an agent on the device reports; the rest AWS sees for itself.
    pub fn is_reported(&self) -> bool {
        !matches!(
            self,
            Self::MessageByteSize
                | Self::MessagesSent
                | Self::MessagesReceived
                | Self::AuthorizationFailures
                | Self::ConnectionAttempts
                | Self::Disconnects
                | Self::DisconnectDuration
                | Self::SourceIp
        )
    }

    /// What its value looks like.
    pub fn shape(&self) -> Shape {
        match self {
            Self::SourceIp | Self::DestinationIps => Shape::Cidrs,
            Self::ListeningTcpPorts | Self::ListeningUdpPorts => Shape::Ports,
            Self::Custom(_) => Shape::Any,
            _ => Shape::Count,
        }
    }

    /// True when a static behaviour on it needs `durationSeconds`: what is counted over a window.
    pub fn needs_window(&self) -> bool {
        matches!(
            self,
            Self::MessagesSent
                | Self::MessagesReceived
                | Self::AuthorizationFailures
                | Self::ConnectionAttempts
                | Self::Disconnects
                | Self::BytesOut
                | Self::BytesIn
                | Self::PacketsOut
                | Self::PacketsIn
        )
    }

    /// True when the operator fits the metric.
    pub fn allows(&self, operator: ComparisonOperator) -> bool {
        use ComparisonOperator as Op;
        let ordered =
            matches!(operator, Op::LessThan | Op::LessThanEquals | Op::GreaterThan | Op::GreaterThanEquals);
        match self {
            Self::DisconnectDuration => operator == Op::LessThan,
            Self::Custom(_) => !matches!(operator, Op::InPortSet | Op::NotInPortSet),
            other => match other.shape() {
                Shape::Cidrs => matches!(operator, Op::InCidrSet | Op::NotInCidrSet),
                Shape::Ports => matches!(operator, Op::InPortSet | Op::NotInPortSet),
                Shape::Count | Shape::Any => ordered,
            },
        }
    }

    /// True when a TOPIC_FILTER dimension may restrict it.
    pub fn takes_dimension(&self) -> bool {
        matches!(
            self,
            Self::MessageByteSize
                | Self::MessagesSent
                | Self::MessagesReceived
                | Self::AuthorizationFailures
                | Self::SourceIp
        )
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.name().to_owned()
    }
}

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::parse(&name).ok_or_else(|| format!("{name} is no metric of Device Defender"))
    }
}
