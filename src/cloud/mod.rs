//! AWS IoT over the AWS SDK: clients, paged reads, polls that answer as fleet events.

pub mod clients;

pub use clients::Clients;
