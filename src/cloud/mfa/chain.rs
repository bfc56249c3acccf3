//! The roles a profile stands for, one assumed with the session of the one before, as the AWS CLI follows them: from profile
//! to `source_profile` until one has keys of its own, or takes them from elsewhere.

use crate::config::AwsProfiles;
use quell_fleet::text::SafeText;

/// A role, and what it is asked for with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Link {
    /// The profile that says so.
    pub(super) profile: String,
    pub(super) role: String,
    /// The MFA device whose code is wanted.
    pub(super) serial: Option<String>,
    pub(super) session: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) seconds: Option<i32>,
    /// Whose keys ask for it: the profile before, or the source of credentials.
    pub(super) source: String,
}

/// Who asks for the first role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The access key of a profile, whatever else the profile says.
    Keys(String),
    /// Whatever a profile that is no role finds: SSO, a process, a web identity.
    Profile(String),
    /// `credential_source`: the variables.
    Environment,
    /// `credential_source`: the instance.
    Instance,
    /// `credential_source`: the container.
    Container,
}

/// Who asks, and the roles in the order they are assumed: the last is the profile's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) base: Base,
    pub(super) links: Vec<Link>,
}

impl Chain {
    /// The chain that begins at `profile`; `None` when it assumes no role.
    ///
    /// # Errors
    /// A sentence: a loop, a profile that is not there, or a role without anyone to ask for it.
    pub(super) fn read(profiles: &AwsProfiles, profile: &str) -> Result<Option<Self>, String> {
        let mut links: Vec<Link> = Vec::new();
        let mut at = profile.to_owned();
        while let Some(role) = role_of(profiles, &at) {
            let get = |key: &str| profiles.get(&at, key).map(str::to_owned);
            let (source, from) = (get("source_profile"), get("credential_source"));
            links.push(Link {
                profile: at.clone(),
                role,
                serial: get("mfa_serial"),
                session: get("role_session_name"),
                external_id: get("external_id"),
                seconds: get("duration_seconds").and_then(|text| text.parse().ok()),
                source: source.clone().or_else(|| from.clone()).unwrap_or_default(),
            });
            let base = match (source, from) {
                (Some(_), Some(_)) => {
                    return Err(format!("profile {at} has both source_profile and credential_source"));
                }
                (None, None) => {
                    return Err(format!(
                        "profile {at} has a role_arn but neither source_profile nor credential_source"
                    ));
                }
                (None, Some(from)) => Some(named(&at, &from)?),
                // A profile may ask with keys of its own; that ends the chain.
                (Some(source), None) if profiles.has_keys(&source) => Some(Base::Keys(source)),
                (Some(source), None) if !profiles.has(&source) => {
                    return Err(format!("profile {at} has source_profile {source}, which is not there"));
                }
                (Some(source), None) if links.iter().any(|link| link.profile == source) => {
                    let way: Vec<&str> = links.iter().map(|link| link.profile.as_str()).collect();
                    return Err(format!(
                        "the source_profile of profile {at} leads back to {source}: {} → {source}",
                        way.join(" → ")
                    ));
                }
                (Some(source), None) => {
                    at = source;
                    None
                }
            };
            if let Some(base) = base {
                links.reverse();
                return Ok(Some(Self { base, links }));
            }
        }
        if links.is_empty() {
            return Ok(None);
        }
        links.reverse();
        Ok(Some(Self { base: Base::Profile(at), links }))
    }
}

/// The role a profile assumes with somebody's keys; a web identity needs none.
fn role_of(profiles: &AwsProfiles, profile: &str) -> Option<String> {
    let role = profiles.get(profile, "role_arn")?;
    profiles.get(profile, "web_identity_token_file").is_none().then(|| role.to_owned())
}

fn named(profile: &str, source: &str) -> Result<Base, String> {
    match source.to_ascii_lowercase().as_str() {
        "environment" => Ok(Base::Environment),
        "ec2instancemetadata" => Ok(Base::Instance),
        "ecscontainer" => Ok(Base::Container),
        _ => Err(format!(
            "profile {profile} has credential_source {}: Environment, Ec2InstanceMetadata or EcsContainer",
            SafeText::new(source)
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn chain(config: &str, profile: &str) -> Result<Option<Chain>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        std::fs::write(&path, config).unwrap();
        let path = path.display().to_string();
        let env: Environment =
            [("AWS_CONFIG_FILE", path), ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere".to_owned())]
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect();
        Chain::read(&AwsProfiles::read(&env), profile)
    }

    fn whole(config: &str, profile: &str) -> (Base, Vec<(String, bool)>) {
        let found = chain(config, profile).unwrap().unwrap();
        let links = found.links.into_iter().map(|link| (link.profile, link.serial.is_some())).collect();
        (found.base, links)
    }

    #[test]
    fn roles_are_followed_to_the_keys_that_ask_for_the_first() {
        let base = "[profile base]\naws_access_key_id = A\naws_secret_access_key = B\n";
        let roles = "[profile top]\nrole_arn = t\nsource_profile = middle\n\
             [profile middle]\nrole_arn = m\nmfa_serial = s\nsource_profile = base\n";
        let (found, links) = whole(&format!("{base}{roles}"), "top");
        assert_eq!(found, Base::Keys("base".into()));
        assert_eq!(links, [("middle".to_owned(), true), ("top".to_owned(), false)]);
        // A profile without a role is left to the SDK, with or without a web identity.
        assert_eq!(chain(base, "base"), Ok(None));
        assert_eq!(chain("[profile w]\nrole_arn = r\nweb_identity_token_file = f\n", "w"), Ok(None));
        assert_eq!(chain("", "default"), Ok(None));
        // Whoever has keys besides a role of its own asks with the keys, even for itself.
        let both = "[profile top]\nrole_arn = t\nsource_profile = both\n\
             [profile both]\nrole_arn = b\nmfa_serial = s\nsource_profile = both\naws_access_key_id = A\naws_secret_access_key = B\n";
        assert_eq!(whole(both, "top"), (Base::Keys("both".into()), vec![("top".to_owned(), false)]));
        assert_eq!(whole(both, "both"), (Base::Keys("both".into()), vec![("both".to_owned(), true)]));
        // SSO, a process and a web identity are the SDK's.
        let sso = "[profile top]\nrole_arn = t\nsource_profile = corp\n[profile corp]\nsso_session = x\n";
        assert_eq!(whole(sso, "top").0, Base::Profile("corp".into()));
        for (word, base) in [
            ("Environment", Base::Environment),
            ("Ec2InstanceMetadata", Base::Instance),
            ("EcsContainer", Base::Container),
        ] {
            assert_eq!(
                whole(&format!("[profile p]\nrole_arn = r\ncredential_source = {word}\n"), "p").0,
                base
            );
        }
    }

    #[test]
    fn a_chain_that_cannot_be_followed_says_why() {
        let why = |config: &str| chain(config, "a").unwrap_err();
        assert_eq!(
            why(
                "[profile a]\nrole_arn = r\nsource_profile = b\n[profile b]\nrole_arn = r\nsource_profile = c\n\
                 [profile c]\nrole_arn = r\nsource_profile = b\n"
            ),
            "the source_profile of profile c leads back to b: a → b → c → b"
        );
        assert!(why("[profile a]\nrole_arn = r\nsource_profile = a\n").contains("leads back to a: a → a"));
        assert!(why("[profile a]\nrole_arn = r\nsource_profile = b\n").contains("b, which is not there"));
        assert!(why("[profile a]\nrole_arn = r\n").contains("neither"));
        assert!(
            why("[profile a]\nrole_arn = r\nsource_profile = a\ncredential_source = Environment\n")
                .contains("both")
        );
        assert!(
            why("[profile a]\nrole_arn = r\ncredential_source = Sky\n").contains("credential_source Sky")
        );
    }
}
