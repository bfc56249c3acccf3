//! One measured value against one criterion. The criterion says what is *normal*: false means violation (docs/aws-iot.md#4.1.1).

use ipnet::IpNet;

use super::model::{ComparisonOperator, MetricValue};

/// True when `measured` is normal: `measured OPERATOR expected` holds. `None` when the two cannot be compared (another
/// member is set, an address does not parse), which is neither normal nor a violation.
///
/// A set operator holds when it holds for every measured element, so an empty list is normal.
pub fn is_normal(
    measured: &MetricValue,
    operator: ComparisonOperator,
    expected: &MetricValue,
) -> Option<bool> {
    use ComparisonOperator as Op;
    match operator {
        Op::LessThan | Op::LessThanEquals | Op::GreaterThan | Op::GreaterThanEquals => {
            Some(compare(scalar(measured)?, operator, scalar(expected)?))
        }
        Op::InCidrSet | Op::NotInCidrSet => {
            let ranges = nets(expected.cidrs.as_deref()?)?;
            let inside = operator == Op::InCidrSet;
            let measured = nets(measured.cidrs.as_deref()?)?;
            Some(measured.iter().all(|m| {
                if inside {
                    ranges.iter().any(|r| r.contains(m))
                } else {
                    !ranges.iter().any(|r| overlap(r, m))
                }
            }))
        }
        Op::InPortSet | Op::NotInPortSet => {
            let set = expected.ports.as_deref()?;
            let inside = operator == Op::InPortSet;
            Some(measured.ports.as_deref()?.iter().all(|p| set.contains(p) == inside))
        }
        Op::InSet | Op::NotInSet => {
            let inside = operator == Op::InSet;
            if let (Some(measured), Some(set)) = (&measured.strings, &expected.strings) {
                return Some(measured.iter().all(|s| set.contains(s) == inside));
            }
            let set = expected.numbers.as_deref()?;
            Some(measured.numbers.as_deref()?.iter().all(|n| set.contains(n) == inside))
        }
    }
}

/// `left OPERATOR right` for the four order operators; false for the set operators, which have no order.
pub(super) fn compare(left: f64, operator: ComparisonOperator, right: f64) -> bool {
    match operator {
        ComparisonOperator::LessThan => left < right,
        ComparisonOperator::LessThanEquals => left <= right,
        ComparisonOperator::GreaterThan => left > right,
        ComparisonOperator::GreaterThanEquals => left >= right,
        _ => false,
    }
}

/// The one number of a value that has one.
pub(super) fn scalar(value: &MetricValue) -> Option<f64> {
    value.count.map(|c| c as f64).or(value.number)
}

fn nets(texts: &[String]) -> Option<Vec<IpNet>> {
    texts.iter().map(|t| parse_net(t)).collect()
}

/// An address range, or a single address.
pub fn parse_net(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().or_else(|| text.parse::<std::net::IpAddr>().ok().map(IpNet::from))
}

fn overlap(a: &IpNet, b: &IpNet) -> bool {
    a.contains(b) || b.contains(a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ComparisonOperator as Op;

    fn count(count: i64) -> MetricValue {
        MetricValue { count: Some(count), ..MetricValue::default() }
    }

    fn cidrs(list: &[&str]) -> MetricValue {
        MetricValue { cidrs: Some(list.iter().map(|s| (*s).to_owned()).collect()), ..MetricValue::default() }
    }

    fn ports(list: &[i64]) -> MetricValue {
        MetricValue { ports: Some(list.to_vec()), ..MetricValue::default() }
    }

    #[test]
    fn the_criterion_is_what_is_normal() {
        assert_eq!(is_normal(&count(27), Op::LessThan, &count(5)), Some(false));
        assert_eq!(is_normal(&count(4), Op::LessThan, &count(5)), Some(true));
        assert_eq!(is_normal(&count(1024), Op::LessThanEquals, &count(1024)), Some(true));
        assert_eq!(is_normal(&count(1024), Op::GreaterThan, &count(1024)), Some(false));
        assert_eq!(is_normal(&count(1024), Op::GreaterThanEquals, &count(1024)), Some(true));
    }

    #[test]
    fn an_empty_list_is_normal_for_every_set() {
        assert_eq!(is_normal(&ports(&[]), Op::InPortSet, &ports(&[22])), Some(true));
        assert_eq!(is_normal(&ports(&[]), Op::NotInPortSet, &ports(&[22])), Some(true));
        assert_eq!(is_normal(&cidrs(&[]), Op::InCidrSet, &cidrs(&["10.0.0.0/8"])), Some(true));
    }

    #[test]
    fn every_element_must_fit() {
        assert_eq!(is_normal(&ports(&[22, 24]), Op::InPortSet, &ports(&[22])), Some(false));
        assert_eq!(is_normal(&ports(&[23, 24]), Op::NotInPortSet, &ports(&[22])), Some(true));
        let home = cidrs(&["10.0.0.0/8", "fd00::/8"]);
        assert_eq!(is_normal(&cidrs(&["10.1.2.3", "fd00::1"]), Op::InCidrSet, &home), Some(true));
        assert_eq!(is_normal(&cidrs(&["10.1.2.3", "192.0.2.1"]), Op::InCidrSet, &home), Some(false));
        assert_eq!(is_normal(&cidrs(&["0.0.0.0/0"]), Op::NotInCidrSet, &home), Some(false));
    }

    #[test]
    fn what_cannot_be_compared_is_no_datapoint() {
        assert_eq!(is_normal(&count(1), Op::InPortSet, &ports(&[1])), None);
        assert_eq!(is_normal(&cidrs(&["not an address"]), Op::InCidrSet, &cidrs(&["10.0.0.0/8"])), None);
    }

    proptest::proptest! {
        #[test]
        fn an_operator_and_its_opposite_never_agree(a in 0_i64..2000, b in 0_i64..2000) {
            for (one, other) in [(Op::LessThan, Op::GreaterThanEquals), (Op::GreaterThan, Op::LessThanEquals)] {
                proptest::prop_assert_ne!(
                    is_normal(&count(a), one, &count(b)),
                    is_normal(&count(a), other, &count(b))
                );
            }
        }
    }
}
