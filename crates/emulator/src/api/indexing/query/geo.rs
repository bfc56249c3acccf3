//! Geo queries: `field:geo_distance,LATITUDE,LONGITUDE,DISTANCE` finds what is no further than that from a point.

use serde_json::Value;

/// The mean radius of the earth, in metres.
const EARTH: f64 = 6_371_008.8;
/// Units of a distance, in metres.
const UNITS: [(&str, f64); 3] = [("km", 1_000.0), ("mi", 1_609.344), ("m", 1.0)];

/// In which order the two numbers of a location stand where they have no names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Latitude first.
    #[default]
    LatLon,
    /// Longitude first, as GeoJSON has it.
    LonLat,
}

/// A point on the earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    lat: f64,
    lon: f64,
}

impl Place {
    fn new(lat: f64, lon: f64) -> Option<Self> {
        ((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)).then_some(Self { lat, lon })
    }

    fn ordered(first: f64, second: f64, order: Order) -> Option<Self> {
        match order {
            Order::LatLon => Self::new(first, second),
            Order::LonLat => Self::new(second, first),
        }
    }

    /// Metres over the great circle.
    fn distance(self, other: Self) -> f64 {
        let (lat, other_lat) = (self.lat.to_radians(), other.lat.to_radians());
        let half = |from: f64, to: f64| ((to - from) / 2.0).sin().powi(2);
        let across = half(lat, other_lat)
            + lat.cos() * other_lat.cos() * half(self.lon.to_radians(), other.lon.to_radians());
        2.0 * EARTH * across.min(1.0).sqrt().asin()
    }
}

/// The location a value holds: `"lat,lon"`, `"POINT(lon lat)"`, `[lat, lon]` or an object with `lat` and `lon` or their long
/// names (docs/aws-iot.md#2.7.1).
pub fn place_of(value: &Value, order: Order) -> Option<Place> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            let upper = text.to_ascii_uppercase();
            if let Some(inner) = upper.strip_prefix("POINT") {
                // Well-known text: longitude first, whatever the order.
                let inner = inner.trim().strip_prefix('(')?.strip_suffix(')')?;
                let (lon, lat) = inner.trim().split_once(char::is_whitespace)?;
                return Place::new(lat.trim().parse().ok()?, lon.trim().parse().ok()?);
            }
            let (first, second) = text.split_once(',')?;
            Place::ordered(first.trim().parse().ok()?, second.trim().parse().ok()?, order)
        }
        Value::Array(pair) => match &pair[..] {
            [first, second] => Place::ordered(first.as_f64()?, second.as_f64()?, order),
            _ => None,
        },
        Value::Object(map) => {
            let one = |names: &[&str]| names.iter().find_map(|name| map.get(*name)?.as_f64());
            Place::new(one(&["lat", "latitude"])?, one(&["lon", "long", "longitude"])?)
        }
        _ => None,
    }
}

/// All that is no further than that from a point.
#[derive(Debug)]
pub(super) struct Circle {
    middle: Place,
    metres: f64,
}

impl Circle {
    /// Reads `geo_distance,LATITUDE,LONGITUDE,DISTANCE`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split(',').collect();
        let ["geo_distance", lat, lon, distance] = parts[..] else {
            let kind = parts.first().copied().unwrap_or_default();
            return Err(if kind == "geo_distance" {
                "geo_distance needs a latitude, a longitude and a distance".to_owned()
            } else {
                format!("{kind} is not supported here: geo_distance is")
            });
        };
        let number = |what: &str, text: &str| -> Result<f64, String> {
            super::parse::number(text).ok_or_else(|| format!("{text} is no {what}"))
        };
        let middle = Place::new(number("latitude", lat)?, number("longitude", lon)?)
            .ok_or_else(|| format!("{lat},{lon} is no place on the earth"))?;
        let unit = UNITS.iter().find_map(|(unit, metres)| Some((distance.strip_suffix(unit)?, *metres)));
        let (count, unit) = unit.ok_or_else(|| format!("{distance} has no unit: km, mi or m"))?;
        let metres = number("distance", count)? * unit;
        if metres < 0.0 {
            return Err(format!("{distance} is no distance"));
        }
        Ok(Self { middle, metres })
    }

    pub(super) fn holds(&self, place: Place) -> bool {
        self.middle.distance(place) <= self.metres
    }
}
