//! One behaviour being written: every metric, every operator that fits it, a value, a percentile or a learned model.

use tui_input::Input;

use quell_rules::detect::judge::parse_net;
use quell_rules::detect::metric::{DURATIONS, Metric, Shape};
use quell_rules::detect::model::{
    Behavior, ComparisonOperator, Criteria, MetricDimension, MetricValue, MlDetectionConfig,
    StatisticalThreshold,
};
use quell_rules::detect::percentile::STATISTICS;
use quell_rules::detect::validate;

/// What is normal, in the order the form turns through.
pub(super) const OPERATORS: [(ComparisonOperator, &str); 10] = [
    (ComparisonOperator::LessThan, "normal is LESS THAN"),
    (ComparisonOperator::LessThanEquals, "normal is AT MOST"),
    (ComparisonOperator::GreaterThan, "normal is MORE THAN"),
    (ComparisonOperator::GreaterThanEquals, "normal is AT LEAST"),
    (ComparisonOperator::InCidrSet, "normal is IN these address ranges"),
    (ComparisonOperator::NotInCidrSet, "normal is in NONE of these address ranges"),
    (ComparisonOperator::InPortSet, "normal is only THESE ports"),
    (ComparisonOperator::NotInPortSet, "normal is NONE of these ports"),
    (ComparisonOperator::InSet, "normal is only THESE"),
    (ComparisonOperator::NotInSet, "normal is NONE of these"),
];
/// How sure AWS's model must be; HIGH alarms least.
const CONFIDENCE: [&str; 3] = ["HIGH", "MEDIUM", "LOW"];

/// What a measured value is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A value of the author's.
    Value,
    /// A percentile of the fleet.
    Percentile,
    /// AWS's learned model.
    Learned,
}

impl Way {
    const ALL: [Self; 3] = [Self::Value, Self::Percentile, Self::Learned];

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Value => "a value (static)",
            Self::Percentile => "the fleet's percentile (statistical)",
            Self::Learned => "what AWS learns (ML)",
        }
    }
}

/// What the account has that a behaviour may name.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    /// Custom metrics with their types.
    pub(super) metrics: Vec<(String, String)>,
    /// Dimensions.
    pub(super) dimensions: Vec<String>,
}

/// One behaviour being written.
pub(super) struct BehaviorForm {
    pub(super) name: Input,
    pub(super) metric: String,
    pub(super) way: Way,
    operator: ComparisonOperator,
    pub(super) value: Input,
    statistic: usize,
    confidence: usize,
    duration: usize,
    pub(super) alarm: Input,
    pub(super) clear: Input,
    dimension: Option<(String, bool)>,
    pub(super) suppressed: bool,
    /// Has no field, and is kept.
    export: Option<bool>,
}

/// The one after or before `here` in `all`; the first when it is none of them.
fn turned<T: Clone + PartialEq>(all: &[T], here: &T, forward: bool) -> Option<T> {
    let step = if forward { 1 } else { all.len().max(1) - 1 };
    let at = all.iter().position(|x| x == here).map_or(0, |at| (at + step) % all.len());
    all.get(at).cloned()
}

impl BehaviorForm {
    /// As the workshop's profile has it, corrected.
    pub(super) fn new() -> Self {
        Self {
            name: Input::new("LargeMessageSize".to_owned()),
            metric: "aws:message-byte-size".to_owned(),
            way: Way::Value,
            operator: ComparisonOperator::LessThan,
            value: Input::new("1000".to_owned()),
            statistic: 5,
            confidence: 0,
            duration: 0,
            alarm: Input::new("1".to_owned()),
            clear: Input::new("1".to_owned()),
            dimension: None,
            suppressed: false,
            export: None,
        }
    }

    /// A further behaviour: counts messages, and has no name yet.
    pub(super) fn blank() -> Self {
        let metric = "aws:num-messages-sent".to_owned();
        Self { name: Input::default(), metric, value: Input::new("5".to_owned()), ..Self::new() }
    }

    /// As a behaviour is.
    pub(super) fn of(from: &Behavior) -> Self {
        let mut form = Self::new();
        form.name = Input::new(from.name.clone());
        if let Some(metric) = &from.metric {
            form.metric.clone_from(metric);
        }
        form.dimension = from
            .metric_dimension
            .as_ref()
            .map(|d| (d.dimension_name.clone(), d.operator.as_deref() != Some("NOT_IN")));
        form.suppressed = from.suppress_alerts == Some(true);
        form.export = from.export_metric;
        form.value = Input::default();
        let Some(criteria) = &from.criteria else { return form };
        form.operator = criteria.comparison_operator.unwrap_or(form.operator);
        form.value = Input::new(criteria.value.as_ref().map(shown).unwrap_or_default());
        if let Some(threshold) = &criteria.statistical_threshold {
            form.way = Way::Percentile;
            let statistic = threshold.statistic.as_deref().unwrap_or("p90");
            form.statistic = STATISTICS.iter().position(|(s, _)| *s == statistic).unwrap_or(form.statistic);
        }
        if let Some(ml) = &criteria.ml_detection_config {
            form.way = Way::Learned;
            form.confidence = CONFIDENCE.iter().position(|c| *c == ml.confidence_level).unwrap_or(0);
        }
        let duration = DURATIONS.iter().position(|d| Some(*d) == criteria.duration_seconds);
        form.duration = duration.unwrap_or(0);
        form.alarm = Input::new(criteria.consecutive_datapoints_to_alarm.unwrap_or(1).to_string());
        form.clear = Input::new(criteria.consecutive_datapoints_to_clear.unwrap_or(1).to_string());
        form
    }

    fn parsed(&self) -> Option<Metric> {
        Metric::parse(&self.metric)
    }

    fn shape(&self) -> Shape {
        self.parsed().map_or(Shape::Any, |m| m.shape())
    }

    fn kind<'v>(&self, words: &'v Vocabulary) -> Option<&'v str> {
        words.metrics.iter().find(|(name, _)| *name == self.metric).map(|(_, kind)| kind.as_str())
    }

    /// True when it is judged over a window rather than by each report or message.
    pub(super) fn windowed(&self) -> bool {
        let Some(metric) = self.parsed() else { return false };
        match self.way {
            Way::Learned => false,
            Way::Value => metric.needs_window(),
            Way::Percentile => metric.needs_window() || metric == Metric::MessageByteSize,
        }
    }

    fn operators(&self, words: &Vocabulary) -> Vec<ComparisonOperator> {
        use ComparisonOperator as Op;
        let Some(metric) = self.parsed() else { return Vec::new() };
        let kind = self.kind(words);
        OPERATORS
            .iter()
            .map(|(operator, _)| *operator)
            .filter(|operator| metric.allows(*operator))
            .filter(|operator| {
                let ordered = matches!(
                    operator,
                    Op::LessThan | Op::LessThanEquals | Op::GreaterThan | Op::GreaterThanEquals
                );
                match kind {
                    Some("number") => ordered,
                    Some("ip-address-list") => matches!(operator, Op::InCidrSet | Op::NotInCidrSet),
                    Some("number-list" | "string-list") => matches!(operator, Op::InSet | Op::NotInSet),
                    _ => true,
                }
            })
            .collect()
    }

    pub(super) fn operator_words(&self) -> &'static str {
        OPERATORS.iter().find(|(o, _)| *o == self.operator).map_or("", |(_, words)| words)
    }

    pub(super) fn limit_words(&self) -> &'static str {
        match self.way {
            Way::Value => "",
            Way::Percentile => STATISTICS.get(self.statistic).map_or("", |(s, _)| s),
            Way::Learned => CONFIDENCE.get(self.confidence).copied().unwrap_or_default(),
        }
    }

    pub(super) fn duration_words(&self) -> String {
        if self.windowed() {
            return DURATIONS.get(self.duration).map(|s| format!("{} min", s / 60)).unwrap_or_default();
        }
        match (self.way, self.metric.as_str()) {
            (Way::Learned, _) => "as AWS's model takes it".to_owned(),
            (_, "aws:message-byte-size") => "each message by itself".to_owned(),
            _ => "each report by itself".to_owned(),
        }
    }

    pub(super) fn dimension_words(&self) -> String {
        match &self.dimension {
            None => "all topics".to_owned(),
            Some((name, true)) => format!("only on {name}"),
            Some((name, false)) => format!("everywhere but on {name}"),
        }
    }

    /// True when the metric may be limited to topics.
    pub(super) fn takes_dimension(&self) -> bool {
        self.parsed().is_some_and(|m| m.takes_dimension())
    }

    pub(super) fn turn_metric(&mut self, words: &Vocabulary, forward: bool) {
        let built_in = quell_rules::detect::metric::BUILT_IN.iter().map(|(name, _)| (*name).to_owned());
        let mut all: Vec<String> = built_in.chain(words.metrics.iter().map(|(n, _)| n.clone())).collect();
        if !all.contains(&self.metric) {
            all.push(self.metric.clone());
        }
        if let Some(next) = turned(&all, &self.metric, forward) {
            self.metric = next;
        }
        self.settle(words);
    }

    /// What no longer fits the metric is changed to what does.
    fn settle(&mut self, words: &Vocabulary) {
        let ways = self.ways(words);
        if !ways.contains(&self.way) {
            self.way = Way::Value;
        }
        let operators = self.operators(words);
        if !operators.contains(&self.operator)
            && let Some(first) = operators.first()
        {
            self.operator = *first;
        }
        if !self.takes_dimension() {
            self.dimension = None;
        }
    }

    fn ways(&self, words: &Vocabulary) -> Vec<Way> {
        let list = self.kind(words).is_some_and(|kind| kind != "number");
        let plain = matches!(self.shape(), Shape::Cidrs | Shape::Ports)
            || list
            || self.parsed() == Some(Metric::DisconnectDuration);
        if plain { vec![Way::Value] } else { Way::ALL.to_vec() }
    }

    pub(super) fn turn_way(&mut self, words: &Vocabulary, forward: bool) {
        if let Some(next) = turned(&self.ways(words), &self.way, forward) {
            self.way = next;
        }
    }

    pub(super) fn turn_operator(&mut self, words: &Vocabulary, forward: bool) {
        if let Some(next) = turned(&self.operators(words), &self.operator, forward) {
            self.operator = next;
        }
    }

    pub(super) fn turn_limit(&mut self, forward: bool) {
        let (at, len) = match self.way {
            Way::Value => return,
            Way::Percentile => (&mut self.statistic, STATISTICS.len()),
            Way::Learned => (&mut self.confidence, CONFIDENCE.len()),
        };
        *at = (*at + if forward { 1 } else { len - 1 }) % len;
    }

    pub(super) fn turn_duration(&mut self, forward: bool) {
        let len = DURATIONS.len();
        self.duration = (self.duration + if forward { 1 } else { len - 1 }) % len;
    }

    pub(super) fn turn_dimension(&mut self, words: &Vocabulary, forward: bool) {
        let mut all = vec![None];
        if self.takes_dimension() {
            for name in &words.dimensions {
                all.extend([Some((name.clone(), true)), Some((name.clone(), false))]);
            }
        }
        if let Some(next) = turned(&all, &self.dimension, forward) {
            self.dimension = next;
        }
    }

    /// The expected value as it was typed.
    ///
    /// # Errors
    /// A sentence saying what it takes.
    pub(super) fn expected(&self, words: &Vocabulary) -> Result<MetricValue, String> {
        use ComparisonOperator as Op;
        let typed = self.value.value().trim();
        let list: Vec<String> =
            typed.split([',', ' ']).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect();
        let mut out = MetricValue::default();
        match (self.shape(), self.operator) {
            (Shape::Count, _) => {
                let count = typed.parse::<i64>().ok().filter(|n| *n >= 0);
                out.count = Some(count.ok_or("the limit is a whole number")?);
            }
            (Shape::Ports, _) => {
                let ports =
                    list.iter().map(|t| t.parse::<u16>().map(i64::from)).collect::<Result<Vec<_>, _>>();
                let ports = ports.ok().filter(|p| !p.is_empty());
                out.ports = Some(ports.ok_or("ports from 0 to 65535, with commas between them")?);
            }
            (Shape::Cidrs, _) | (Shape::Any, Op::InCidrSet | Op::NotInCidrSet) => {
                let fine = !list.is_empty() && list.iter().all(|t| parse_net(t).is_some());
                out.cidrs = Some(fine.then_some(list).ok_or("address ranges such as 10.0.0.0/8")?);
            }
            (Shape::Any, Op::InSet | Op::NotInSet) if self.kind(words) == Some("number-list") => {
                let numbers = list.iter().map(|t| t.parse::<f64>()).collect::<Result<Vec<_>, _>>();
                let numbers = numbers.ok().filter(|n| !n.is_empty() && n.iter().all(|n| n.is_finite()));
                out.numbers = Some(numbers.ok_or("numbers, with commas between them")?);
            }
            (Shape::Any, Op::InSet | Op::NotInSet) => {
                let fine = !list.is_empty();
                out.strings = Some(fine.then_some(list).ok_or("words, with commas between them")?);
            }
            (Shape::Any, _) => {
                let number = typed.parse::<f64>().ok().filter(|n| n.is_finite());
                out.number = Some(number.ok_or("the limit is a number")?);
            }
        }
        Ok(out)
    }

    /// Datapoints in a row, when they are 1 to 10.
    pub(super) fn datapoints(input: &Input) -> Result<i64, String> {
        let n = input.value().trim().parse::<i64>().ok().filter(|n| (1..=10).contains(n));
        n.ok_or_else(|| "1 to 10 datapoints in a row".to_owned())
    }

    /// The behaviour as it stands; what is not understood yet is left out.
    pub(super) fn behavior(&self, words: &Vocabulary) -> Behavior {
        let learned = self.way == Way::Learned;
        Behavior {
            name: self.name.value().trim().to_owned(),
            metric: Some(self.metric.clone()),
            metric_dimension: self.dimension.as_ref().map(|(name, inside)| MetricDimension {
                dimension_name: name.clone(),
                operator: Some(if *inside { "IN" } else { "NOT_IN" }.to_owned()),
            }),
            criteria: Some(Criteria {
                comparison_operator: (!learned).then_some(self.operator),
                value: (self.way == Way::Value).then(|| self.expected(words).ok()).flatten(),
                duration_seconds: if self.windowed() { DURATIONS.get(self.duration).copied() } else { None },
                consecutive_datapoints_to_alarm: Self::datapoints(&self.alarm).ok(),
                consecutive_datapoints_to_clear: Self::datapoints(&self.clear).ok(),
                statistical_threshold: (self.way == Way::Percentile)
                    .then(|| StatisticalThreshold { statistic: Some(self.limit_words().to_owned()) }),
                ml_detection_config: learned
                    .then(|| MlDetectionConfig { confidence_level: self.limit_words().to_owned() }),
            }),
            suppress_alerts: self.suppressed.then_some(true),
            export_metric: self.export,
        }
    }

    /// What is wrong with it, the first thing; `None` when AWS would take it.
    pub(super) fn mistake(&self, words: &Vocabulary) -> Option<String> {
        if let Some(why) = self.name_mistake() {
            return Some(why);
        }
        let value = if self.way == Way::Value { self.expected(words).err() } else { None };
        value
            .or_else(|| Self::datapoints(&self.alarm).err())
            .or_else(|| Self::datapoints(&self.clear).err())
            .or_else(|| validate::behaviors(&[self.behavior(words)]).into_iter().next())
    }

    pub(super) fn name_mistake(&self) -> Option<String> {
        let fine = validate::valid_name(self.name.value().trim());
        (!fine).then(|| "1 to 128 letters, digits, :, _ or -".to_owned())
    }
}

/// A value as one types it.
fn shown(value: &MetricValue) -> String {
    let joined = |list: Vec<String>| list.join(", ");
    match value {
        MetricValue { count: Some(n), .. } => n.to_string(),
        MetricValue { number: Some(n), .. } => n.to_string(),
        MetricValue { cidrs: Some(list), .. } | MetricValue { strings: Some(list), .. } => {
            joined(list.clone())
        }
        MetricValue { ports: Some(list), .. } => joined(list.iter().map(ToString::to_string).collect()),
        MetricValue { numbers: Some(list), .. } => joined(list.iter().map(ToString::to_string).collect()),
        _ => String::new(),
    }
}
