//! The profiles of the AWS configuration files: their names for the palette, and the few keys the SDK does not act on by
//! itself. Credentials themselves are found by the SDK; none is kept here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::{Environment, StaticCredentials};

/// Regions with AWS IoT Device Defender or at least AWS IoT, for the palette. Another may be typed.
pub const REGIONS: &[&str] = &[
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "ca-central-1",
    "sa-east-1",
    "eu-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-north-1",
    "eu-south-1",
    "ap-east-1",
    "ap-south-1",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "me-central-1",
    "me-south-1",
    "us-gov-east-1",
    "us-gov-west-1",
    "cn-north-1",
    "cn-northwest-1",
];

/// The keys of a profile that are nobody's business but AWS's.
const SECRET: [&str; 3] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];

/// The profiles, each with its keys but without the secret ones: of those it is only known that they are there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AwsProfiles {
    profiles: BTreeMap<String, BTreeMap<String, String>>,
    with_keys: BTreeSet<String>,
}

impl AwsProfiles {
    /// Reads the files the AWS CLI reads; one that is not there has no profiles.
    pub fn read(env: &Environment) -> Self {
        let mut found = Self::default();
        each(env, |name, pair| {
            let keys = found.profiles.entry(name.to_owned()).or_default();
            match pair {
                Some((key, value)) if !SECRET.contains(&key.as_str()) => {
                    keys.insert(key, value.to_owned());
                }
                Some((key, value)) if key != "aws_session_token" && !value.is_empty() => {
                    found.with_keys.insert(name.to_owned());
                }
                _ => {}
            }
        });
        found
    }

    /// True when the profile has an access key of its own, whole or not.
    pub fn has_keys(&self, profile: &str) -> bool {
        self.with_keys.contains(profile)
    }

    /// True when one of the files has a section of that name.
    pub fn has(&self, profile: &str) -> bool {
        self.profiles.contains_key(profile)
    }

    /// The name that is most like one that nobody has; `None` when none is like it.
    pub fn nearest(&self, profile: &str) -> Option<&str> {
        let near = |known: &&str| strsim::levenshtein(profile, known);
        self.names().min_by_key(near).filter(|known| near(known) <= 1.max(profile.len() / 3))
    }

    /// The access key of a profile, read from the files now and kept nowhere; `None` when it is not whole.
    pub fn access_key(env: &Environment, profile: &str) -> Option<StaticCredentials> {
        let mut found: [Option<String>; 3] = Default::default();
        each(env, |name, pair| {
            let Some((key, value)) = pair.filter(|_| name == profile) else { return };
            for (slot, _) in found.iter_mut().zip(SECRET).filter(|(_, secret)| *secret == key) {
                *slot = (!value.is_empty()).then(|| value.to_owned());
            }
        });
        let [id, secret, session_token] = found;
        Some(StaticCredentials { access_key_id: id?, secret_access_key: secret?, session_token })
    }

    /// All names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.profiles.keys().map(String::as_str)
    }

    /// A key of a profile, unless it is empty.
    pub fn get(&self, profile: &str, key: &str) -> Option<&str> {
        self.profiles.get(profile)?.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Calls `take` with every section that is a profile's, and then with each of its pairs: the configuration file's first,
/// so that the credentials file has the last word.
fn each(env: &Environment, mut take: impl FnMut(&str, Option<(String, &str)>)) {
    let home = || super::load::home(env).join(".aws");
    let path =
        |variable: &str, name: &str| env.get(variable).map_or_else(|| home().join(name), PathBuf::from);
    let text = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    parse(&text(path("AWS_CONFIG_FILE", "config")), true, &mut take);
    parse(&text(path("AWS_SHARED_CREDENTIALS_FILE", "credentials")), false, &mut take);
}

/// In the configuration file a profile's section is called `profile NAME`, in the credentials file `NAME`.
fn parse(text: &str, prefixed: bool, take: &mut impl FnMut(&str, Option<(String, &str)>)) {
    let mut inside: Option<String> = None;
    for line in text.lines() {
        if line.starts_with(char::is_whitespace) {
            // A nested key (`s3 =` and below): nothing we look at.
            continue;
        }
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let section = rest.split(']').next().unwrap_or_default().trim();
            let name = match section.split_once(char::is_whitespace) {
                Some(("profile", name)) if prefixed => Some(name.trim().trim_matches(['"', '\''])),
                None if !prefixed || section == "default" => Some(section),
                _ => None,
            };
            inside = name.filter(|name| !name.is_empty()).map(str::to_owned);
            if let Some(name) = &inside {
                take(name, None);
            }
        } else if let (Some(name), Some((key, value))) = (&inside, line.split_once('=')) {
            take(name, Some((key.trim().to_ascii_lowercase(), value.trim())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_are_read_as_the_cli_does_and_secrets_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let (config, credentials) = (dir.path().join("c"), dir.path().join("k"));
        std::fs::write(
            &config,
            "[default]\nregion = us-east-1\n# [profile no]\n[profile \"two words\"]\nregion=eu-west-1\ns3 =\n  region = x\n\
             [sso-session corp]\nregion = us-west-2\n[profile mfa]\nrole_arn = arn:x\nmfa_serial = arn:m\n",
        )
        .unwrap();
        std::fs::write(&credentials, "[keys]\naws_secret_access_key = hunter2\nregion = sa-east-1\n")
            .unwrap();
        let env: Environment = [("AWS_CONFIG_FILE", &config), ("AWS_SHARED_CREDENTIALS_FILE", &credentials)]
            .map(|(name, path)| (name.to_owned(), path.display().to_string()))
            .into_iter()
            .collect();
        let profiles = AwsProfiles::read(&env);
        assert_eq!(profiles.names().collect::<Vec<_>>(), ["default", "keys", "mfa", "two words"]);
        assert_eq!(profiles.get("two words", "region"), Some("eu-west-1"));
        assert_eq!(profiles.get("keys", "region"), Some("sa-east-1"));
        assert_eq!(profiles.get("mfa", "mfa_serial"), Some("arn:m"));
        assert!(!format!("{profiles:?}").contains("hunter2"));
        assert_eq!(profiles.nearest("kyes"), None, "two letters of four");
        assert_eq!(
            (profiles.nearest("key"), profiles.nearest("tow words")),
            (Some("keys"), Some("two words"))
        );
        assert!(profiles.has_keys("keys") && !profiles.has_keys("mfa") && profiles.has("mfa"));
        // Half a key is none; the other half may stand in the other file.
        assert!(AwsProfiles::access_key(&env, "keys").is_none());
        let more = "[profile keys]\naws_access_key_id = AKIA1\naws_secret_access_key = old\n";
        std::fs::write(&config, more).unwrap();
        let found = AwsProfiles::access_key(&env, "keys").unwrap();
        assert_eq!((found.access_key_id.as_str(), found.secret_access_key.as_str()), ("AKIA1", "hunter2"));
    }
}
