//! Reading the configuration: file < environment < flags.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::flags::Common;
use quell_fleet::text::SafeText;
use quell_rules::topics::{self, Dialect};

use super::{Proxies, ScreenSize, Secret, Settings, ThingFrom, file};

/// A configuration that cannot be used: everything that is wrong with it, each with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfigError {
    /// Place and message; at least one.
    wrong: Vec<(String, String)>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (place, message)) in self.wrong.iter().enumerate() {
            let between = if i == 0 { "" } else { "\n" };
            write!(f, "{between}{place}: {message}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    /// An error when something is wrong.
    pub(super) fn unless_empty(wrong: Vec<(String, String)>) -> Result<(), Self> {
        if wrong.is_empty() { Ok(()) } else { Err(Self { wrong }) }
    }

    /// In one line: the first, and how many more there are.
    pub fn in_a_line(&self) -> String {
        let first =
            self.wrong.first().map(|(place, message)| format!("{place}: {message}")).unwrap_or_default();
        match self.wrong.len() {
            0 | 1 => first,
            2 => format!("{first} (and one more mistake)"),
            n => format!("{first} (and {} more mistakes)", n - 1),
        }
    }
}

/// The environment variables, passed in so that tests need not touch the process.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The variables of this process; those that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
            .collect()
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

fn home_dir(env: &Environment, variable: &str, below_home: &str) -> PathBuf {
    // The XDG specification: a relative path in these variables is to be ignored.
    env.get(variable)
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .unwrap_or_else(|| home(env).join(below_home))
}

/// The home folder.
pub(super) fn home(env: &Environment) -> PathBuf {
    env.get("HOME").map(PathBuf::from).or_else(std::env::home_dir).unwrap_or_default()
}

/// Where the configuration lives.
pub(crate) fn config_dir(env: &Environment) -> PathBuf {
    home_dir(env, "XDG_CONFIG_HOME", ".config").join("quell")
}

/// Where the journal and the log live.
pub(crate) fn state_dir(env: &Environment) -> PathBuf {
    home_dir(env, "XDG_STATE_HOME", ".local/state").join("quell")
}

/// Bytes from `16MB`, `16 MiB`, `512k`, `1048576`: decimal and binary units mean the same, powers of 1024.
///
/// # Errors
/// A sentence when it is no size or out of range.
pub fn parse_size(written: &str) -> Result<u64, String> {
    let text = written.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        _ => return Err(format!("{written:?} is no size: use a number with B, kB, MB or GB")),
    };
    let number: f64 =
        number.parse().map_err(|_| format!("{written:?} is no size: it must begin with a number"))?;
    let bytes = number * (1_u64 << shift) as f64;
    if !(0.0..=(1_u64 << 40) as f64).contains(&bytes) {
        return Err(format!("{written:?} is out of range: at most 1024 GB"));
    }
    Ok(bytes as u64)
}

/// Reads the configuration file (if there is one), the environment and the flags, each overriding what came before.
///
/// # Errors
/// Everything in the file that cannot be used, with its line, and every flag that cannot.
pub fn load(common: &Common, env: &Environment) -> Result<Settings, ConfigError> {
    let state = state_dir(env);
    let mut settings = Settings {
        journal: state.join("journal.jsonl"),
        log: state.join("quell.log"),
        ..Settings::default()
    };
    let path = file_path(common, env);
    let asked = asked_for(common, env);
    let mut wrong = Vec::new();
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let read = file::read(&mut settings, &path, &text);
            wrong.extend(read.err().into_iter().flat_map(|e| e.wrong));
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound && asked.is_none() => {}
        Err(e) => wrong.push((path.display().to_string(), e.to_string())),
    }
    from_environment(&mut settings, env);
    from_flags(&mut settings, common, env, &mut wrong);
    if settings.mqtt.ca.is_none() {
        settings.mqtt.ca.clone_from(&settings.ca_bundle);
    }
    // What a file says that cannot be used is not missing.
    if !settings.aws && settings.mqtt.url.is_none() && wrong.is_empty() {
        let why = "needs --mqtt-url URL (or mqtt.url in the configuration): which broker?";
        wrong.push(("--no-aws".to_owned(), why.to_owned()));
    }
    ConfigError::unless_empty(wrong)?;
    settings.look_from = ["keymap", "theme"].map(|key| super::explain::place(key, common, env));
    Ok(settings)
}

pub(super) fn security_profiles(
    path: &Path,
) -> Result<Vec<quell_rules::detect::profile::SecurityProfile>, String> {
    let named = |e: String| format!("{}: {e}", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| named(e.to_string()))?;
    let toml = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
    quell_rules::detect::file::parse(&text, toml).map_err(named)
}

/// The configuration file: the one asked for by flag or by `QUELL_CONFIG`, or the usual one.
pub(crate) fn file_path(common: &Common, env: &Environment) -> PathBuf {
    asked_for(common, env).unwrap_or_else(|| config_dir(env).join("config.toml"))
}

fn asked_for(common: &Common, env: &Environment) -> Option<PathBuf> {
    common.config.clone().or_else(|| env.get("QUELL_CONFIG").map(PathBuf::from))
}

pub(super) fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

pub(super) fn set_some<T>(target: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *target = value;
    }
}

fn from_environment(settings: &mut Settings, env: &Environment) {
    let get = |name: &str| env.get(name).map(String::from);
    set_some(&mut settings.profile, get("AWS_PROFILE"));
    set_some(&mut settings.region, get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")));
    let all = get("AWS_ENDPOINT_URL");
    set_some(&mut settings.endpoint_url, get("AWS_ENDPOINT_URL_IOT").or_else(|| all.clone()));
    set_some(&mut settings.data_endpoint_url, get("AWS_ENDPOINT_URL_IOT_DATA_PLANE").or_else(|| all.clone()));
    set_some(&mut settings.sts_endpoint_url, get("AWS_ENDPOINT_URL_STS").or_else(|| all.clone()));
    set_some(&mut settings.iam_endpoint_url, get("AWS_ENDPOINT_URL_IAM").or_else(|| all.clone()));
    set_some(&mut settings.cloudwatch_endpoint_url, get("AWS_ENDPOINT_URL_CLOUDWATCH").or(all));
    set_some(&mut settings.mqtt.username, get("QUELL_MQTT_USERNAME"));
    set_some(&mut settings.mqtt.password, get("QUELL_MQTT_PASSWORD").map(Secret));
    settings.proxies = Proxies::of(env);
    settings.no_color |= env.get("NO_COLOR").is_some();
    settings.linear |= plain("linear", env).is_some();
    settings.ascii |= plain("ascii", env).is_some();
    // The AWS CLI's name for a private authority.
    set_some(&mut settings.ca_bundle, get("AWS_CA_BUNDLE").map(PathBuf::from));
}

/// The variable by which a key of the look is on without anybody having set it: a terminal that cannot move its cursor gets
/// sentences, and one whose locale has no other characters gets ASCII.
pub(super) fn plain(key: &str, env: &Environment) -> Option<&'static str> {
    let dumb = (env.get("TERM") == Some("dumb")).then_some("TERM");
    let locale = || ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(|name| env.get(name).is_some());
    match key {
        "linear" => dumb,
        "ascii" => dumb.or_else(|| locale().filter(|name| matches!(env.get(name), Some("C" | "POSIX")))),
        _ => None,
    }
}

/// Every flag that cannot be used goes to `wrong`.
fn from_flags(
    settings: &mut Settings,
    common: &Common,
    env: &Environment,
    wrong: &mut Vec<(String, String)>,
) {
    let mut cannot = |flag: &str, message: String| wrong.push((flag.to_owned(), message));
    // clap takes the profile from its variable by itself.
    let outright = common.profile.as_deref().is_some_and(|profile| env.get("AWS_PROFILE") != Some(profile));
    settings.profile_outright = outright;
    set_some(&mut settings.profile, common.profile.clone());
    set_some(&mut settings.region, common.region.clone());
    set_some(&mut settings.endpoint_url, common.endpoint_url.clone());
    // A private control plane is never AWS's: identity comes from there, not from the real STS.
    if let Some(url) = settings.endpoint_url.clone().filter(|url| !url.contains(".amazonaws.com")) {
        settings.sts_endpoint_url.get_or_insert_with(|| url.clone());
        settings.cloudwatch_endpoint_url.get_or_insert_with(|| url.clone());
        settings.data_endpoint_url.get_or_insert_with(|| url.clone());
    }
    set_some(&mut settings.data_endpoint_url, common.data_endpoint_url.clone());
    set_some(&mut settings.mqtt.url, common.mqtt_url.clone());
    settings.aws &= !common.no_aws;
    set_some(&mut settings.mqtt.cert, common.cert.clone());
    set_some(&mut settings.mqtt.key, common.key.clone());
    set_some(&mut settings.mqtt.ca, common.ca.clone());
    if !common.topics.is_empty() {
        // Those of the file were looked at where their lines are known.
        for filter in &common.topics {
            check_filter(filter).unwrap_or_else(|message| cannot("--topic", message));
        }
        settings.topics.clone_from(&common.topics);
    } else if common.no_aws {
        // Any broker: there is no convention to go by, and no 100 messages/s limit to respect (docs/aws-iot.md#3.4).
        settings.topics = vec!["#".into()];
    }
    if !common.thing_from.is_empty() {
        settings.thing_from.clear();
        for rule in &common.thing_from {
            match ThingFrom::parse(rule) {
                Ok(parsed) => settings.thing_from.push(parsed),
                Err(message) => cannot("--thing-from", message),
            }
        }
    }
    if let Some(path) = &common.security_profiles {
        match security_profiles(path) {
            Ok(profiles) => settings.security_profiles = profiles,
            Err(message) => cannot("--security-profiles", message),
        }
    }
    settings.instructor |= common.instructor;
    settings.read_only |= common.read_only || settings.instructor;
    set_some(&mut settings.keymap, common.keymap.clone());
    set_some(&mut settings.theme, common.theme.clone());
    if settings.instructor && settings.theme.is_none() {
        settings.theme = Some("projector".to_owned());
    }
    settings.ascii |= common.ascii;
    settings.linear |= common.linear;
    settings.mouse |= common.mouse;
    if let Some(size) = &common.size {
        match ScreenSize::parse(size) {
            Ok(size) => settings.size = Some(size),
            Err(message) => cannot("--size", message),
        }
    }
    set_some(&mut settings.max_fps, common.max_fps);
    if let Some(size) = &common.memory_budget {
        match parse_size(size) {
            Ok(bytes) => settings.memory_budget = bytes,
            Err(message) => cannot("--memory-budget", message),
        }
    }
    set(&mut settings.log, common.log.clone());
}

/// What no broker takes as a filter, and what a console must not ask for (docs/aws-iot.md#3.4).
pub(super) fn check_filter(filter: &str) -> Result<(), String> {
    let wrong = |why: &dyn std::fmt::Display| Err(format!("{:?} is no filter: {why}", SafeText::new(filter)));
    if let Err(why) = Dialect::Mqtt.valid_filter(filter) {
        return wrong(&why);
    }
    if topics::shared(filter).is_some() {
        return wrong(&"a shared subscription would take messages away from others");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn load_text(text: &str, common: Common, vars: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        load(&Common { config: Some(path), ..common }, &env(vars))
    }

    #[test]
    fn flags_win_over_environment_over_file() {
        let text =
            "region = 'file'\nprofile = 'file'\nendpoint-url = 'http://file'\n[mqtt]\nurl = 'mqtt://file'";
        let common = Common { region: Some("flag".into()), ..Common::default() };
        let settings =
            load_text(text, common, &[("AWS_REGION", "env"), ("AWS_ENDPOINT_URL_IOT", "http://env")])
                .unwrap();
        assert_eq!(settings.region.as_deref(), Some("flag"));
        assert_eq!(settings.profile.as_deref(), Some("file"));
        assert_eq!(settings.endpoint_url.as_deref(), Some("http://env"));
        assert_eq!(settings.mqtt.url.as_deref(), Some("mqtt://file"));
    }

    #[test]
    fn a_room_s_console_is_configured_once_and_changes_nothing() {
        let settings = load_text("instructor = true", Common::default(), &[]).unwrap();
        assert!(settings.instructor && settings.read_only);
        assert_eq!(settings.theme.as_deref(), Some("projector"));
        let settings = load_text("instructor = true\ntheme = 'mono'", Common::default(), &[]).unwrap();
        assert_eq!(settings.theme.as_deref(), Some("mono"));
        let flag = Common { instructor: true, ..Common::default() };
        assert!(load_text("", flag, &[]).unwrap().read_only);
    }

    #[test]
    fn errors_name_the_line_and_the_nearest_key() {
        let error =
            load_text("region = 'x'\nread-onyl = true\n", Common::default(), &[]).unwrap_err().to_string();
        assert!(error.contains("config.toml:2:"), "{error}");
        assert!(error.contains("did you mean \"read-only\"?"), "{error}");
        // What is like no key is not guessed at.
        let error = load_text("[watch]\nfoo = 1\n", Common::default(), &[]).unwrap_err().to_string();
        assert!(error.ends_with("unknown key \"watch\": `quell config --template` lists them"), "{error}");
        let error =
            load_text("\n\nmemory-budget = '5 apples'", Common::default(), &[]).unwrap_err().to_string();
        assert!(error.contains("config.toml:3: memory-budget:"), "{error}");
        let error = load_text("[mqtt]\nkeep-alive-seconds = 'no'", Common::default(), &[]).unwrap_err();
        assert!(error.to_string().contains(":2: mqtt.keep-alive-seconds: invalid type: string"), "{error}");
        let error = load_text("[mqtt]\nurl = 5", Common::default(), &[]).unwrap_err().to_string();
        assert!(error.contains(":2: mqtt.url: invalid type: integer"), "{error}");
        let settings = load_text("\ntheme = 'x'\n", Common::default(), &[]).unwrap();
        assert!(settings.look_from[1].ends_with("config.toml:2: theme"), "{:?}", settings.look_from);
        assert_eq!(settings.look_from[0], "");
        let flag = Common { keymap: Some("k9".into()), ..Common::default() };
        assert_eq!(load_text("keymap = 'vim'\n", flag, &[]).unwrap().look_from[0], "--keymap");
        let error = load_text("[polls]\nidle-seconds = 0", Common::default(), &[]).unwrap_err().to_string();
        assert!(error.contains(":2: polls.idle-seconds"), "{error}");
        let error = load_text("topics = [\n  'dt/#',\n  'dt/a+/x',\n]", Common::default(), &[]).unwrap_err();
        assert!(error.to_string().contains("config.toml:3: topics: "), "{error}");
        let flag = Common { topics: vec!["dt/#".into(), "a/#/b".into()], ..Common::default() };
        let error = load_text("", flag, &[]).unwrap_err().to_string();
        assert!(error.starts_with("--topic: \"a/#/b\""), "{error}");
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_at_once_in_their_order() {
        let text = "max-fps = 0\nthem = 'x'\n[mqtt]\nversion = '4'\n[guardrails]\nmax-bulk = 0\n[[guardrails.rule]]\nrequire = 'no'\n";
        let error = load_text(text, Common::default(), &[]).unwrap_err();
        let told = error.to_string();
        let lines: Vec<&str> = told.lines().map(|line| line.split_once("config.toml").unwrap().1).collect();
        assert_eq!(lines.len(), 5, "{told}");
        assert_eq!(lines[0], ":1: max-fps: must be 1 to 120");
        assert_eq!(lines[1], ":2: unknown key \"them\": did you mean \"theme\"?");
        assert_eq!(lines[2], ":4: mqtt.version: must be \"auto\", \"5\" or \"3.1.1\"");
        assert_eq!(lines[3], ":6: guardrails.max-bulk: must be 1 to 100000");
        assert!(lines[4].starts_with(":8: guardrails: unknown variant"), "{told}");
        assert!(
            error.in_a_line().ends_with("must be 1 to 120 (and 4 more mistakes)"),
            "{}",
            error.in_a_line()
        );
        let broken = load_text("theme = \n", Common::default(), &[]).unwrap_err().to_string();
        assert!(broken.contains("config.toml:1: "), "{broken}");
    }

    #[test]
    fn what_a_terminal_cannot_show_is_known_by_its_environment() {
        let ascii = |vars: &[(&str, &str)]| load_text("", Common::default(), vars).unwrap().ascii;
        assert!(ascii(&[("LANG", "C")]) && ascii(&[("LC_ALL", "POSIX"), ("LANG", "de_DE.UTF-8")]));
        assert!(
            !ascii(&[("LANG", "C.UTF-8")])
                && !ascii(&[])
                && !ascii(&[("LC_ALL", "en_US.UTF-8"), ("LANG", "C")])
        );
        let dumb = load_text("", Common::default(), &[("TERM", "dumb")]).unwrap();
        assert!(dumb.ascii && dumb.linear);
        let sized =
            load_text("size = '132x43'\nlinear = true\nmouse = true", Common::default(), &[]).unwrap();
        assert_eq!((sized.size, sized.linear, sized.mouse), (Some(ScreenSize::Fixed(132, 43)), true, true));
        let wrong = Common { size: Some("wide".into()), ..Common::default() };
        assert!(load_text("", wrong, &[]).unwrap_err().to_string().starts_with("--size: "));
    }

    #[test]
    fn a_mistake_in_the_file_does_not_hide_one_in_a_flag() {
        let common = Common {
            topics: vec!["a/#/b".into()],
            thing_from: vec!["(".into()],
            memory_budget: Some("much".into()),
            ..Common::default()
        };
        let error = load_text("them = 'x'", common, &[]).unwrap_err().to_string();
        let told: Vec<&str> = error.lines().collect();
        assert_eq!(told.len(), 4, "{error}");
        for (line, begins) in told[1..].iter().zip(["--topic: ", "--thing-from: ", "--memory-budget: "]) {
            assert!(line.starts_with(begins), "{error}");
        }
    }

    #[test]
    fn sizes_and_filters() {
        assert_eq!(parse_size("16MB"), Ok(16 << 20));
        assert_eq!(parse_size("1.5 k"), Ok(1536));
        assert_eq!(parse_size("100"), Ok(100));
        assert!(parse_size("MB").is_err());
        assert!(parse_size("-1").is_err());
        assert!(check_filter("temperature-device-+").is_err());
        assert!(check_filter("a/#/b").is_err());
        assert!(check_filter("$share/g/a").is_err());
        assert!(check_filter("a/+/b/#").is_ok());
    }
}
