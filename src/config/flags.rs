//! The flags every command takes: the last word on the configuration. They stand here, below the commands, because the
//! configuration is what reads them.

use std::path::PathBuf;

use clap::Args;

/// The heading they stand under.
const HEADING: &str = "Global options";

/// Flags every command takes.
#[derive(Args, Clone, Debug, Default)]
pub struct Common {
    /// The named profile of the AWS configuration files
    #[arg(long, global = true, help_heading = HEADING, value_name = "NAME", env = "AWS_PROFILE", hide_env_values = true)]
    pub profile: Option<String>,
    /// The AWS region
    #[arg(long, global = true, help_heading = HEADING, value_name = "NAME")]
    pub region: Option<String>,
    /// Control plane endpoint
    #[arg(long, global = true, help_heading = HEADING, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Data plane (iot-data) endpoint
    #[arg(long, global = true, help_heading = HEADING, value_name = "URL")]
    pub data_endpoint_url: Option<String>,
    /// Where telemetry comes from: wss:// (SigV4), mqtts:// (with --cert --key --ca), ws:// or mqtt://
    #[arg(long, global = true, help_heading = HEADING, value_name = "URL")]
    pub mqtt_url: Option<String>,
    /// No AWS control plane at all: watch any MQTT broker
    #[arg(long, global = true, help_heading = HEADING)]
    pub no_aws: bool,
    /// Client certificate for mqtts:// (PEM)
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// Private key of --cert (PEM)
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Certificate authority to trust for MQTT (PEM)
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// A topic filter to watch (repeatable)
    #[arg(long = "topic", global = true, help_heading = HEADING, value_name = "FILTER")]
    pub topics: Vec<String>,
    /// How a topic names its thing, e.g. 'temperature-device-(\d+)=Thing$1' or 'dt/{thing}/#' (repeatable)
    #[arg(long = "thing-from", global = true, help_heading = HEADING, value_name = "PATTERN")]
    pub thing_from: Vec<String>,
    /// Security profiles to judge by, beside the account's or without one: JSON or TOML in AWS's own shape
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub security_profiles: Option<PathBuf>,
    /// Refuse every change
    #[arg(long, global = true, help_heading = HEADING)]
    pub read_only: bool,
    /// For a room: large type, account ids and addresses masked, every change refused
    #[arg(long, global = true, help_heading = HEADING)]
    pub instructor: bool,
    /// A keymap by name or file
    #[arg(long, global = true, help_heading = HEADING, value_name = "NAME|FILE")]
    pub keymap: Option<String>,
    /// The colours: auto (by what the terminal writes on), dark, light, high-contrast, colour-blind, mono, projector
    #[arg(long, global = true, help_heading = HEADING, value_name = "NAME")]
    pub theme: Option<String>,
    /// Draw with ASCII only
    #[arg(long, global = true, help_heading = HEADING)]
    pub ascii: bool,
    /// No screen: one sentence a change of state, commands and answers typed; for screen readers and logs
    #[arg(long, global = true, help_heading = HEADING)]
    pub linear: bool,
    /// The mouse too: wheel, click, sorting by a column's head; it never changes anything
    #[arg(long, global = true, help_heading = HEADING)]
    pub mouse: bool,
    /// Columns and rows, where the terminal does not tell them; or ask, to ask it
    #[arg(long, global = true, help_heading = HEADING, value_name = "COLSxROWS")]
    pub size: Option<String>,
    /// The configuration file
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Frames a second at most
    #[arg(long, global = true, help_heading = HEADING, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=120))]
    pub max_fps: Option<u16>,
    /// Memory for payloads and topics, e.g. 16MB
    #[arg(long, global = true, help_heading = HEADING, value_name = "SIZE")]
    pub memory_budget: Option<String>,
    /// Where to write the log
    #[arg(long, global = true, help_heading = HEADING, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Log more (repeatable)
    #[arg(short = 'v', long = "verbose", global = true, help_heading = HEADING, action = clap::ArgAction::Count)]
    pub verbose: u8,
}
