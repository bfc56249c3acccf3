//! The fields of the form, in their order.

/// Fields of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileField {
    /// The profile's name.
    Name,
    /// The description.
    Description,
    /// Which of the behaviours the next fields are.
    Which,
    /// The behaviour's name.
    Behavior,
    /// What is measured.
    Metric,
    /// On which topics.
    Dimension,
    /// What it is compared with.
    Way,
    /// How normal compares.
    Operator,
    /// With what.
    Value,
    /// Over how long.
    Duration,
    /// How many in a row alarm.
    Alarm,
    /// How many in a row clear.
    Clear,
    /// Whether anybody is told.
    Alerts,
    /// Metrics kept besides.
    Retained,
    /// The SNS topic that is told.
    Topic,
    /// The role that may tell it.
    Role,
    /// Whom the profile judges.
    Targets,
}

impl ProfileField {
    /// In the order of the form.
    pub const ALL: [Self; 17] = [
        Self::Name,
        Self::Description,
        Self::Which,
        Self::Behavior,
        Self::Metric,
        Self::Dimension,
        Self::Way,
        Self::Operator,
        Self::Value,
        Self::Duration,
        Self::Alarm,
        Self::Clear,
        Self::Alerts,
        Self::Retained,
        Self::Topic,
        Self::Role,
        Self::Targets,
    ];

    /// Its label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Name => "profile",
            Self::Description => "description",
            Self::Which => "behaviour",
            Self::Behavior => "  name",
            Self::Metric => "  metric",
            Self::Dimension => "  topics",
            Self::Way => "  compared with",
            Self::Operator => "  what is normal",
            Self::Value => "  limit",
            Self::Duration => "  over",
            Self::Alarm => "  alarms after",
            Self::Clear => "  clears after",
            Self::Alerts => "  alerts",
            Self::Retained => "also retain",
            Self::Topic => "tells SNS topic",
            Self::Role => "  with role",
            Self::Targets => "judges",
        }
    }
}
