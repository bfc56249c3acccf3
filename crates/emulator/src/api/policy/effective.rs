//! Which documents govern a principal on a connection, and what its policy variables resolve to (docs/aws-iot.md#4.3).

use std::net::IpAddr;

use quell_rules::policy::{Bound, Context, Document, Doubt};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};

use crate::account::State;
use crate::api::identity::Identity;
use crate::broker::Session;

/// The policies of one connection, in the order AWS merges them: the principal's, then those of the thing's groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective {
    /// The thing the connection acts as: the principal's exclusive thing, or the one the client id names, if attached.
    pub thing: Option<String>,
    /// `(policy name, document in force)`, each policy once.
    pub policies: Vec<(String, String)>,
}

/// What governs `principal` when it connects as `client_id`.
///
/// Group policies (of every static group and its ancestors) count only when the connection acts as an attached thing: with
/// a client id that is not the thing's name, isolation by group does nothing.
pub fn effective_policies(state: &State, principal: &str, client_id: Option<&str>) -> Effective {
    let identity = &state.identity;
    let thing = identity
        .exclusive_thing(principal)
        .or_else(|| client_id.filter(|id| identity.is_attached(principal, id)))
        .map(str::to_owned);
    let mut out = Effective { thing, policies: Vec::new() };
    if let Some(document) = identity.claim_policy(principal) {
        out.policies.push(("provisioning claim".to_owned(), document));
    }
    for policy in identity.policies_of(principal) {
        push(&mut out, identity, policy);
    }
    if let Some(thing) = out.thing.clone() {
        for group in state.registry.all_groups_of(&thing) {
            if !state.registry.is_dynamic(&group) {
                for policy in identity.policies_of_group(&group) {
                    push(&mut out, identity, policy);
                }
            }
        }
    }
    out
}

fn push(out: &mut Effective, identity: &Identity, policy: &str) {
    if !out.policies.iter().any(|(name, _)| name == policy)
        && let Some(held) = identity.policy(policy)
    {
        out.policies.push((policy.to_owned(), held.document().to_owned()));
    }
}

/// What variables and condition keys resolve to on a connection.
pub fn context_of(
    state: &State,
    principal: &str,
    client_id: Option<&str>,
    thing: Option<&str>,
    ip: Option<IpAddr>,
    now_ms: i64,
) -> Context {
    let mut context = Context::default();
    if let Some(id) = client_id {
        context.set("iot:ClientId", id);
    }
    if let Some(ip) = ip {
        context.set("aws:SourceIp", ip.to_string());
    }
    context.set("aws:SecureTransport", "true");
    context.set("aws:CurrentTime", jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default().to_string());
    context.set("aws:EpochTime", (now_ms / 1000).to_string());
    context.set("iot:Connection.Thing.IsAttached", if thing.is_some() { "true" } else { "false" });
    if let Some(name) = thing {
        context.set("iot:Connection.Thing.ThingName", name);
        if let Some(thing) = state.registry.thing(name) {
            if let Some(kind) = &thing.type_name {
                context.set("iot:Connection.Thing.ThingTypeName", kind.clone());
            }
            for (key, value) in &thing.attributes {
                context.set(&format!("iot:Connection.Thing.Attributes[{key}]"), value.clone());
            }
        }
    }
    if let Some(certificate) = state.identity.certificate(principal) {
        context.set("iot:CertificateId", principal);
        certificate_variables(&mut context, &certificate.pem);
    }
    context
}

/// `${iot:Certificate.Subject.CommonName}` and its like.
fn certificate_variables(context: &mut Context, pem: &str) {
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(pem.as_bytes()) else { return };
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(&pem.contents) else { return };
    context.set("iot:Certificate.SerialNumber", certificate.raw_serial_as_string().replace(':', ""));
    alternative_names(context, &certificate);
    for (side, name) in [("Subject", certificate.subject()), ("Issuer", certificate.issuer())] {
        for attribute in name.iter_attributes() {
            let field = match attribute.attr_type().to_id_string().as_str() {
                "2.5.4.3" => "CommonName",
                "2.5.4.4" => "Surname",
                "2.5.4.5" => "SerialNumber",
                "2.5.4.6" => "Country",
                "2.5.4.7" => "Locality",
                "2.5.4.8" => "State",
                "2.5.4.10" => "Organization",
                "2.5.4.11" => "OrganizationalUnit",
                "2.5.4.12" => "Title",
                "2.5.4.42" => "GivenName",
                "2.5.4.46" => "DistinguishedNameQualifier",
                _ => continue,
            };
            let key = format!("iot:Certificate.{side}.{field}");
            if let Ok(value) = attribute.as_str()
                && context.get(&key).is_none()
            {
                context.set(&key, value);
            }
        }
    }
}

/// `${iot:Certificate.Subject.AlternativeName.DNSName}` and its like, of the subject and of the issuer.
fn alternative_names(context: &mut Context, certificate: &X509Certificate<'_>) {
    for extension in certificate.extensions() {
        let (side, names) = match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(found) => ("Subject", &found.general_names),
            ParsedExtension::IssuerAlternativeName(found) => ("Issuer", &found.general_names),
            _ => continue,
        };
        for name in names {
            let (kind, value) = match name {
                GeneralName::RFC822Name(text) => ("RFC822Name", (*text).to_owned()),
                GeneralName::DNSName(text) => ("DNSName", (*text).to_owned()),
                GeneralName::URI(text) => ("UniformResourceIdentifier", (*text).to_owned()),
                GeneralName::DirectoryName(name) => ("DirectoryName", name.to_string()),
                GeneralName::IPAddress(bytes) => match address(bytes) {
                    Some(ip) => ("IPAddress", ip.to_string()),
                    None => continue,
                },
                _ => continue,
            };
            context.add(&format!("iot:Certificate.{side}.AlternativeName.{kind}"), value);
        }
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// [`effective_policies`] bound to the connection's context. An HTTPS request has no client id.
pub(super) fn load(state: &State, session: &Session, now_ms: i64) -> Bound {
    let principal = session.principal.identifier();
    let client_id = Some(&*session.client_id).filter(|id| !id.is_empty());
    let effective = effective_policies(state, principal, client_id);
    let mut context =
        context_of(state, principal, client_id, effective.thing.as_deref(), Some(session.ip), now_ms);
    session.attributes.names().for_each(|name| context.add("iot:ConnectAttributes", name));
    bind(&effective.policies, &context)
}

/// Stored policies, as `(name, document)`, bound to a connection's context. A document that does not parse denies nothing and
/// allows nothing: none can be stored.
pub fn bind(policies: &[(String, String)], context: &Context) -> Bound {
    let read: Vec<(&str, Document)> = policies
        .iter()
        .map(|(name, text)| (name.as_str(), Document::parse(text).unwrap_or_default()))
        .collect();
    Bound::new(read.iter().map(|(name, document)| (*name, document)), context, Doubt::Closed)
}
