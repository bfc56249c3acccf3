//! Topic filters: when they match, and which AWS IoT accepts.

/// Why a topic filter is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// It is empty.
    Empty,
    /// It has more than 256 bytes, not counting the prefix of Basic Ingest.
    TooLong,
    /// `#` stands elsewhere than alone in the last level, or `+` shares its level.
    Wildcard,
    /// It holds U+0000.
    Null,
}

impl std::fmt::Display for FilterError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "the topic filter is empty",
            Self::TooLong => "the topic filter is longer than 256 bytes",
            Self::Wildcard => "a wildcard must stand alone in its level, # in the last",
            Self::Null => "the topic filter holds a null character",
        })
    }
}

impl std::error::Error for FilterError {}

/// Is it a topic filter?
pub fn validate_filter(filter: &str) -> Result<(), FilterError> {
    if filter.is_empty() {
        return Err(FilterError::Empty);
    }
    if filter.len() > 256 {
        return Err(FilterError::TooLong);
    }
    if filter.contains('\0') {
        return Err(FilterError::Null);
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wild = level.contains(['+', '#']);
        if wild && (level.len() != 1 || (level == "#" && levels.peek().is_some())) {
            return Err(FilterError::Wildcard);
        }
    }
    Ok(())
}

/// Does `filter` match `topic`? A wildcard in the first level never matches a topic that begins with `$`.
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut topic = topic.split('/');
    let mut filter = filter.split('/');
    loop {
        match (filter.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(f), Some(t)) if f == t => {}
            _ => return false,
        }
    }
}
