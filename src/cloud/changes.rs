//! The door a change leaves through: the SDK's clients, for whoever holds what allows a change.

use super::{Aws, Turn};

/// What allows a change. The response room's grant of a confirmed plan is one, and nothing else may be: a test reads the
/// sources.
pub trait Warrant {}

/// What allows something to be said in the account in quell's own name: a message where the configuration says, or which of
/// several guards acts. It is about no device. The response room's leave is one, and nothing else may be.
pub trait Voice {}

/// The SDK's clients, opened with a [`Warrant`].
#[derive(Clone, Copy, Debug)]
pub struct Changes<'a> {
    aws: &'a Aws,
}

impl Aws {
    /// The door for changes.
    pub fn changes(&self, _held: &impl Warrant) -> Changes<'_> {
        Changes { aws: self }
    }
}

impl<'a> Changes<'a> {
    /// Waits for the turn of one change by `operation` (`iot:UpdateCertificate`); it is under way until what comes back is
    /// dropped.
    pub async fn turn(&self, operation: &'static str) -> Turn {
        self.aws.turn(operation).await
    }

    /// The control plane.
    pub fn iot(&self) -> &'a aws_sdk_iot::Client {
        &self.aws.iot
    }

    /// The data plane: shadows and connections.
    pub fn data(&self) -> &'a aws_sdk_iotdataplane::Client {
        &self.aws.data
    }
}
