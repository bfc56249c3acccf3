//! The four answers as JSON, with their evidence: what `things --json` and `watch` carry.

use serde_json::{Value, json};

use crate::format::iso;
use crate::text::SafeText;
use crate::{DeviceId, Fleet};

use super::facets::{After, Containment, Denies, Facets, Health, Hearing, Missing, Proof, Sign, Voice};

impl Fleet {
    /// The device's word and its four answers, each with its evidence: `state`, `as_of`, `hearing`, `life`, `health`,
    /// `containment`, and the client ids seen with its principals, `clients`. Times are in UTC; `as_of` stands only where the word is older than now.
    pub fn facets_json(&self, id: DeviceId) -> Value {
        let (device, facets) = (self.device(id), self.facets(id));
        let mut out = json!({
            "state": device.word().text(),
            "since": iso(device.word_since()),
            "hearing": hearing(&facets),
            "life": life(&facets),
            "health": self.health_json(id, &facets),
            "containment": containment(&facets.containment),
            "clients": self.clients_json(id),
        });
        if let (Some(at), Some(out)) = (self.as_of(id), out.as_object_mut()) {
            out.insert("as_of".to_owned(), iso(at).into());
        }
        out
    }

    fn clients_json(&self, id: DeviceId) -> Value {
        let told = |client: crate::ClientOf<'_>| {
            json!({"clientId": client.client.raw(), "principal": client.principal, "connected": client.connected,
                "at": iso(client.at), "address": client.address})
        };
        self.clients_of(id).map(told).collect()
    }

    /// quell's findings about a device: behaviours that are not met, and an identity that two devices use.
    fn findings_json(&self, id: DeviceId) -> Vec<Value> {
        let of_it = self.own_findings().iter().filter(|f| f.device == id);
        let behaviors = of_it.map(|f| {
            json!({"finding": "behavior", "behavior": f.behavior.name, "securityProfileName": f.profile,
                "first_seen": iso(f.found), "value": f.value})
        });
        behaviors.chain(self.cloned_of(id).map(|found| found.json())).collect()
    }

    fn health_json(&self, id: DeviceId, facets: &Facets<'_>) -> Value {
        let device = self.device(id);
        match facets.health {
            Health::Alarm { .. } => {
                let all = self.violations().get();
                let of_it = device.violations().iter().filter_map(|i| all?.get(*i as usize));
                let list: Vec<Value> = of_it
                    .map(|v| {
                        json!({"violationId": v.id, "behavior": v.behavior.name, "securityProfileName": v.profile,
                            "first_seen": iso(self.alarm_since(v))})
                    })
                    .collect();
                json!({"is": "alarm", "by": "AWS IoT Device Defender", "read": self.violations().read_at().map(iso),
                    "violations": list, "findings": self.findings_json(id)})
            }
            Health::Finding { .. } => {
                json!({"is": "finding", "by": "quell", "findings": self.findings_json(id)})
            }
            Health::Warning(warning) => json!({"is": "warning", "by": "quell", "kind": warning.kind.word(),
                "since": iso(warning.since), "sentence": warning.sentence}),
            Health::Fine => json!({"is": "fine", "read": self.violations().read_at().map(iso)}),
            Health::Unknown(why) => json!({"is": "unknown", "reason": why.to_string()}),
        }
    }
}

fn hearing(facets: &Facets<'_>) -> Value {
    match facets.hearing {
        Hearing::Listening { since } => json!({"is": "listening", "since": iso(since)}),
        Hearing::NotListening { why, since } => {
            json!({"is": "not_listening", "why": why.key(), "reason": why.to_string(), "since": iso(since)})
        }
        Hearing::Unknown(why) => json!({"is": "unknown", "reason": why.to_string()}),
    }
}

fn life(facets: &Facets<'_>) -> Value {
    let mut out = match facets.life.voice {
        Voice::Heard => json!({"is": "heard"}),
        Voice::Silent => json!({"is": "silent"}),
        Voice::NoData => json!({"is": "no_data"}),
        Voice::Unknown(why) => json!({"is": "unknown", "reason": why.to_string()}),
    };
    let last: serde_json::Map<String, Value> = Sign::ALL
        .into_iter()
        .filter_map(|sign| Some((sign.key().to_owned(), iso(facets.life.signs.of(sign)?).into())))
        .collect();
    if let Some(out) = out.as_object_mut() {
        out.insert("last".to_owned(), Value::Object(last));
    }
    out
}

fn by(by: Option<&SafeText>) -> &str {
    by.map_or("this console", SafeText::as_str)
}

fn missing(missing: &Missing<'_>) -> Value {
    match missing {
        Missing::Policy { until } | Missing::Silence { until } => {
            json!({"reason": missing.to_string(), "until": iso(*until)})
        }
        _ => json!({"reason": missing.to_string()}),
    }
}

fn denies(denies: &Denies<'_>) -> Value {
    match denies {
        Denies::Yes { by, read } => json!({"is": "yes", "policy": by, "read": iso(*read)}),
        Denies::No { read } => json!({"is": "no", "read": iso(*read)}),
        Denies::NoCertificate { read } => {
            json!({"is": "no", "reason": "the thing has no certificate", "read": iso(*read)})
        }
        Denies::Unknown(why) => json!({"is": "unknown", "reason": why.to_string()}),
    }
}

fn containment(containment: &Containment<'_>) -> Value {
    match containment {
        Containment::None => json!({"is": "none"}),
        Containment::Asked { by: who, since, waiting_for } => {
            json!({"is": "asked", "by": by(*who), "since": iso(*since), "waiting_for": waiting_for})
        }
        Containment::Failed { by: who, at, what, left } => {
            json!({"is": "failed", "by": by(*who), "at": iso(*at), "what": what, "left": left})
        }
        Containment::Unproven { by: who, at, missing: lacks } => {
            json!({"is": "unproven", "by": by(*who), "at": iso(*at), "missing": missing(lacks)})
        }
        Containment::Contained(proof) => told(proof, "contained"),
        Containment::Revoked(proof) => told(proof, "revoked"),
        Containment::Leaking { heard, at, after } => {
            let after = match after {
                After::Proof(at) => json!({"proof": iso(*at)}),
                After::Response(at) => json!({"response": iso(*at)}),
                After::Denied(group) => json!({"group": group.raw(), "denies": "yes"}),
                After::NothingDenied(group) => json!({"group": group.raw(), "denies": "no"}),
            };
            json!({"is": "leaking", "heard": heard.key(), "at": iso(*at), "after": after})
        }
        Containment::InGroup { group, since, denies: denied, missing: lacks } => {
            json!({"is": "in_group", "group": group.raw(), "since": iso(*since), "denies": denies(denied),
                "missing": missing(lacks)})
        }
    }
}

fn told(proof: &Proof<'_>, is: &str) -> Value {
    match proof {
        Proof::Response { began, took, proven, by: who } => {
            json!({"is": is, "proof": {"by": "response", "of": by(*who), "began": iso(*began), "took_ms": took,
                "proven": iso(*proven)}})
        }
        Proof::Seen { denied_by, group, silent_from, proven } => {
            json!({"is": is, "proof": {"by": "seen", "policy": denied_by, "group": group.raw(),
                "silent_from": iso(*silent_from), "proven": iso(*proven)}})
        }
    }
}
