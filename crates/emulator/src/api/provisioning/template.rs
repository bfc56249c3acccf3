//! What a template's body comes to for one device: parameters filled in, functions worked out. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::register::Refusal;

/// What a template asks for when a device is registered with it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) thing: Option<ThingPlan>,
    /// Where the certificate comes from, when the template says: a device that has one already is not asked.
    pub(super) certificate: Option<CertificatePlan>,
    /// `ACTIVE` or `INACTIVE`.
    pub(super) active: bool,
    /// The certificate belongs to the thing exclusively; `None` when the template does not say.
    pub(super) exclusive: Option<bool>,
    pub(super) policies: Vec<PolicyPlan>,
    /// What the device is told, as the template has it.
    pub(super) configuration: Map<String, Value>,
    /// The logical names of what is made: of the thing, of the certificate, of each policy in order.
    pub(super) names: Names,
}

/// How a template calls its resources.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Names {
    pub(super) thing: String,
    pub(super) certificate: String,
    pub(super) policies: Vec<String>,
}

/// A certificate to use.
#[derive(Debug, PartialEq)]
pub(super) enum CertificatePlan {
    /// One that is registered, by its id.
    Known(String),
    /// One to make for this signing request.
    Csr(String),
    /// One to register, with the certificate of its CA if that is given.
    Pem(String, Option<String>),
}

/// The thing to create, or to bring up to date.
#[derive(Debug, Default, PartialEq)]
pub(super) struct ThingPlan {
    pub(super) name: String,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) type_name: Option<String>,
    pub(super) groups: Vec<String>,
    pub(super) billing_group: Option<String>,
    /// `OverrideSettings` by what they are for: `AttributePayload`, `ThingTypeName`, `ThingGroups`.
    pub(super) overrides: BTreeMap<String, String>,
}

/// A policy to attach.
#[derive(Debug, PartialEq)]
pub(super) enum PolicyPlan {
    /// One that is there.
    Named(String),
    /// One that is made of a document, under a name when the template gives one.
    Document(Option<String>, String),
}

/// The template of `body` for a device that gave `given` and has what `pseudo` (`AWS::IoT::Certificate::Id`, …) names.
pub(super) fn plan(
    body: &str,
    given: &BTreeMap<String, String>,
    pseudo: &BTreeMap<String, String>,
) -> Result<Plan, Refusal> {
    let body: Value = serde_json::from_str(body).map_err(|_| invalid("The template body is not JSON."))?;
    let mut values = pseudo.clone();
    let declared = body.get("Parameters").and_then(Value::as_object);
    for (name, parameter) in declared.into_iter().flatten() {
        let default = parameter.get("Default").and_then(Value::as_str).map(str::to_owned);
        // What AWS IoT knows of the certificate is not the device's to say.
        match given.get(name).cloned().or(default) {
            _ if pseudo.contains_key(name) => {}
            Some(value) => drop(values.insert(name.clone(), value)),
            None => return Err(invalid(format!("Parameter {name} is required but was not provided."))),
        }
    }
    let scope = Scope { values, mappings: body.get("Mappings") };
    let mut plan = Plan::default();
    let resources = body.get("Resources").and_then(Value::as_object);
    for (name, resource) in resources.into_iter().flatten() {
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        let properties = resource.get("Properties").unwrap_or(&Value::Null);
        match kind {
            "AWS::IoT::Thing" if plan.thing.is_some() => {
                return Err(invalid("Only one thing resource can be defined."));
            }
            "AWS::IoT::Thing" => {
                plan.names.thing.clone_from(name);
                plan.thing = Some(scope.thing(resource, properties)?);
            }
            "AWS::IoT::Certificate" => {
                plan.names.certificate.clone_from(name);
                plan.certificate = scope.certificate(properties)?;
                plan.active = properties
                    .get("Status")
                    .map(|v| scope.text(v))
                    .transpose()?
                    .is_some_and(|s| s.eq_ignore_ascii_case("active"));
                let kind = properties.get("ThingPrincipalType").map(|v| scope.text(v)).transpose()?;
                plan.exclusive = kind.map(|kind| kind.eq_ignore_ascii_case("EXCLUSIVE_THING"));
            }
            "AWS::IoT::Policy" => {
                plan.names.policies.push(name.clone());
                plan.policies.push(scope.policy(properties)?);
            }
            _ => return Err(invalid(format!("The resource {name} is of an unknown type {kind}."))),
        }
    }
    let configuration = body.get("DeviceConfiguration").and_then(Value::as_object);
    for (name, value) in configuration.into_iter().flatten() {
        plan.configuration.insert(name.clone(), scope.text(value)?.into());
    }
    Ok(plan)
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameters", message)
}

/// What references resolve to.
struct Scope<'a> {
    values: BTreeMap<String, String>,
    mappings: Option<&'a Value>,
}

impl Scope<'_> {
    fn value(&self, name: &str) -> Result<String, Refusal> {
        self.values.get(name).cloned().ok_or_else(|| invalid(format!("Parameter {name} was not provided.")))
    }

    fn thing(&self, resource: &Value, properties: &Value) -> Result<ThingPlan, Refusal> {
        let name = properties.get("ThingName").ok_or_else(|| invalid("ThingName must be specified."))?;
        let text = |key: &str| properties.get(key).map(|v| self.text(v)).transpose();
        let pairs = |value: Option<&Value>| -> Result<BTreeMap<String, String>, Refusal> {
            let members = value.and_then(Value::as_object).into_iter().flatten();
            members.map(|(key, value)| Ok((key.clone(), self.text(value)?))).collect()
        };
        let groups = match properties.get("ThingGroups") {
            None => Vec::new(),
            Some(list) => self.list(list)?,
        };
        Ok(ThingPlan {
            name: self.text(name)?,
            attributes: pairs(properties.get("AttributePayload"))?,
            type_name: text("ThingTypeName")?,
            groups,
            billing_group: text("BillingGroup")?,
            overrides: pairs(resource.get("OverrideSettings"))?,
        })
    }

    fn certificate(&self, properties: &Value) -> Result<Option<CertificatePlan>, Refusal> {
        let text = |key: &str| properties.get(key).map(|v| self.text(v)).transpose();
        let all = (text("CertificateId")?, text("CertificateSigningRequest")?, text("CertificatePem")?);
        let ca = text("CACertificatePem")?;
        Ok(match all {
            (None, None, None) => None,
            (Some(id), None, None) => Some(CertificatePlan::Known(id)),
            (None, Some(csr), None) => Some(CertificatePlan::Csr(csr)),
            (None, None, Some(pem)) => Some(CertificatePlan::Pem(pem, ca)),
            _ => {
                let what = "A certificate resource has one of CertificateId, CertificateSigningRequest, CertificatePem.";
                return Err(invalid(what));
            }
        })
    }

    fn policy(&self, properties: &Value) -> Result<PolicyPlan, Refusal> {
        let name = properties.get("PolicyName").map(|v| self.text(v)).transpose()?;
        match (properties.get("PolicyDocument"), name) {
            // A document that is written as an object has no functions in it.
            (Some(Value::Object(members)), name) if !is_function(members) => {
                Ok(PolicyPlan::Document(name, Value::Object(members.clone()).to_string()))
            }
            (Some(document), name) => Ok(PolicyPlan::Document(name, self.text(document)?)),
            (None, Some(name)) => Ok(PolicyPlan::Named(name)),
            (None, None) => Err(invalid("A policy resource needs PolicyName or PolicyDocument.")),
        }
    }

    /// A text: as it stands, or what a function makes of it.
    fn text(&self, value: &Value) -> Result<String, Refusal> {
        let members = match value {
            Value::String(text) => return Ok(text.clone()),
            Value::Number(number) => return Ok(number.to_string()),
            Value::Bool(flag) => return Ok(flag.to_string()),
            Value::Object(members) => members,
            _ => return Err(invalid(format!("A text was expected, not {value}."))),
        };
        let mut members = members.iter();
        let (Some((function, argument)), None) = (members.next(), members.next()) else {
            return Err(invalid(format!("One function was expected, not {value}.")));
        };
        let arguments = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (function.as_str(), arguments) {
            ("Ref", _) => self.value(argument.as_str().unwrap_or_default()),
            ("Fn::Join", [separator, list]) => Ok(self.list(list)?.join(&self.text(separator)?)),
            ("Fn::Select", [index, list]) => {
                let index = self.text(index)?;
                let chosen = index.parse::<usize>().ok().and_then(|n| self.list(list).ok()?.get(n).cloned());
                chosen.ok_or_else(|| invalid(format!("Fn::Select has no element {index}.")))
            }
            ("Fn::FindInMap", [map, first, second]) => {
                let path = [self.text(map)?, self.text(first)?, self.text(second)?];
                let found = self.mappings.and_then(|all| path.iter().try_fold(all, |at, key| at.get(key)));
                let found = found
                    .ok_or_else(|| invalid(format!("Fn::FindInMap has no entry {}.", path.join("/"))))?;
                self.text(found)
            }
            ("Fn::Sub", [template]) => self.substitute(&self.text(template)?, None),
            ("Fn::Sub", [template, own]) => self.substitute(&self.text(template)?, own.as_object()),
            ("Fn::Sub", []) => self.substitute(argument.as_str().unwrap_or_default(), None),
            _ => Err(invalid(format!("The function {function} is not known or has wrong arguments."))),
        }
    }

    fn list(&self, value: &Value) -> Result<Vec<String>, Refusal> {
        match value {
            Value::Array(items) => items.iter().map(|item| self.text(item)).collect(),
            Value::Object(members) if members.len() == 1 => {
                match members.get("Fn::Split").and_then(Value::as_array) {
                    Some(arguments) if let [separator, text] = arguments.as_slice() => {
                        let separator = self.text(separator)?;
                        Ok(self.text(text)?.split(separator.as_str()).map(str::to_owned).collect())
                    }
                    _ => self.text(value).map(|text| vec![text]),
                }
            }
            _ => Err(invalid(format!("A list was expected, not {value}."))),
        }
    }

    /// Replaces `${NAME}`; `${!NAME}` stands for `${NAME}` itself.
    fn substitute(&self, template: &str, own: Option<&Map<String, Value>>) -> Result<String, Refusal> {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((name, tail)) = after.split_once('}') else {
                return Err(invalid("A substitution is not closed."));
            };
            match (name.strip_prefix('!'), own.and_then(|own| own.get(name))) {
                (Some(literal), _) => out.push_str(&format!("${{{literal}}}")),
                (None, Some(value)) => out.push_str(&self.text(value)?),
                (None, None) => out.push_str(&self.value(name)?),
            }
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }
}

fn is_function(members: &Map<String, Value>) -> bool {
    members.len() == 1 && members.keys().all(|key| key == "Ref" || key.starts_with("Fn::"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn parameters_and_functions_make_names_attributes_and_configuration() {
        let body = json!({
            "Parameters": {"Serial": {"Type": "String"}, "Place": {"Type": "String", "Default": "eu/west"},
                "AWS::IoT::Certificate::Id": {"Type": "String"}},
            "Mappings": {"Url": {"eu": {"u": "https://eu"}}},
            "Resources": {
                "t": {"Type": "AWS::IoT::Thing", "OverrideSettings": {"AttributePayload": "MERGE"}, "Properties": {
                    "ThingName": {"Fn::Join": ["-", ["dev", {"Ref": "Serial"}]]},
                    "AttributePayload": {"region": {"Fn::Select": ["0", {"Fn::Split": ["/", {"Ref": "Place"}]}]},
                        "tag": {"Fn::Sub": ["${a}:${Serial}${!x}", {"a": "s"}]}},
                    "ThingGroups": ["g", {"Ref": "Serial"}]}},
                "c": {"Type": "AWS::IoT::Certificate", "Properties":
                    {"CertificateId": {"Ref": "AWS::IoT::Certificate::Id"}, "Status": "Active",
                     "ThingPrincipalType": "EXCLUSIVE_THING"}},
                "p": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyName": "P"}},
                "q": {"Type": "AWS::IoT::Policy", "Properties": {"PolicyDocument": {"Version": "2012-10-17"}}}},
            "DeviceConfiguration": {"url": {"Fn::FindInMap": ["Url", "eu", "u"]}, "id": {"Ref": "AWS::IoT::Certificate::Id"}},
        });
        let pseudo = values(&[("AWS::IoT::Certificate::Id", "abc")]);
        let made = plan(&body.to_string(), &values(&[("Serial", "7")]), &pseudo).unwrap();
        let thing = made.thing.unwrap();
        assert_eq!(thing.name, "dev-7");
        assert_eq!(thing.attributes, values(&[("region", "eu"), ("tag", "s:7${x}")]));
        assert_eq!(thing.groups, ["g", "7"]);
        assert_eq!(thing.overrides, values(&[("AttributePayload", "MERGE")]));
        assert_eq!((made.active, made.exclusive), (true, Some(true)));
        assert_eq!(made.certificate, Some(CertificatePlan::Known("abc".to_owned())));
        assert_eq!((made.names.thing.as_str(), made.names.certificate.as_str()), ("t", "c"));
        assert_eq!(made.names.policies, ["p", "q"]);
        let document = PolicyPlan::Document(None, r#"{"Version":"2012-10-17"}"#.to_owned());
        assert_eq!(made.policies, [PolicyPlan::Named("P".to_owned()), document]);
        assert_eq!(Value::Object(made.configuration), json!({"url": "https://eu", "id": "abc"}));
        let missing = plan(&body.to_string(), &values(&[]), &pseudo).unwrap_err();
        assert!(missing.message.contains("Serial"), "{missing:?}");
    }

    #[test]
    fn what_a_function_cannot_do_is_said() {
        for name in [
            json!({"Ref": "None"}),
            json!({"Fn::Select": ["9", ["a"]]}),
            json!({"Fn::FindInMap": ["a", "b", "c"]}),
            json!({"Fn::Sub": "${None}"}),
            json!({"Fn::Sub": "${open"}),
            json!({"Fn::Upper": "a"}),
            json!({"Fn::Join": ["-"]}),
            json!([]),
            json!(null),
        ] {
            let body =
                json!({"Resources": {"t": {"Type": "AWS::IoT::Thing", "Properties": {"ThingName": name}}}});
            assert!(plan(&body.to_string(), &values(&[]), &values(&[])).is_err(), "{name}");
        }
    }

    #[test]
    fn mutated_templates_are_survived() {
        use crate::mutate::{self, Rng, SEED};
        let (mut rng, texts) = (Rng::with_seed(SEED), mutate::texts("corpus/templates"));
        let pieces = &[
            "{\"Fn::Sub\":",
            "{\"Ref\":\"Serial\"}",
            "${",
            "${!",
            "\"Fn::Select\":[\"9\",",
            "AWS::IoT::Thing",
        ];
        let given = values(&[("Serial", "7\u{e9}"), ("Place", "eu/west")]);
        let pseudo = values(&[("AWS::IoT::Certificate::Id", "abc")]);
        let mut made = 0;
        for _ in 0..10_000 {
            made += usize::from(plan(&mutate::mutated(&texts, pieces, &mut rng), &given, &pseudo).is_ok());
        }
        assert!(made > 200, "too few of the mutations are templates still: {made}");
    }
}
