//! To another profile or region: its settings, and its source opened besides the one in force until it has proven itself.

use tokio::sync::mpsc;

use crate::cloud::mfa;
use crate::config::{AwsProfiles, Settings};
use crate::console::app::{Elsewhere, Msg};
use crate::console::event_loop::Word;
use quell_fleet::text::SafeText;

use crate::cli::source::Source;

use super::wiring::Moved;
use super::{EVENTS, Parts};

/// The settings for another profile or region. Endpoints that were given outright stay; the broker of the old account
/// does not.
pub(super) fn elsewhere(
    settings: &Settings,
    to: &Elsewhere,
    region: Option<&str>,
    profiles: &AwsProfiles,
) -> Result<Settings, SafeText> {
    if !settings.aws {
        return Err(SafeText::new("there is no AWS control plane (--no-aws)"));
    }
    if settings.credentials.is_some() {
        return Err(SafeText::new("the demo is one account in one region: begin `quell` for another"));
    }
    // A code that is none reads like a part of the name.
    if let Elsewhere::Profile(name) = to
        && !profiles.has(name.raw())
        && let Some((first, _)) = name.raw().split_once(' ')
        && profiles.has(first)
    {
        let text = format!("a code of an MFA device has six digits: `:profile {first} CODE`");
        return Err(SafeText::new(&text));
    }
    let mut settings = settings.clone();
    match to {
        Elsewhere::Region(name) => settings.region = Some(name.raw().to_owned()),
        Elsewhere::Profile(name) | Elsewhere::Coded(name, _) => {
            settings.profile = Some(name.raw().to_owned());
            settings.profile_outright = true;
            // The profile's own region, or else the one where we are.
            let own = profiles.get(name.raw(), "region").or(region);
            settings.region = own.map(str::to_owned).or(settings.region);
        }
    }
    if settings.endpoint_url.is_none() {
        settings.mqtt.url = None;
        settings.data_endpoint_url = None;
    }
    Ok(settings)
}

/// Spends the code of an MFA device on the role that wants it.
async fn spend(settings: &Settings, code: &str) -> Result<(), SafeText> {
    let Some(mfa) = mfa::Mfa::of(settings).map_err(|trouble| trouble.message)? else { return Ok(()) };
    mfa.assume(settings, code).await.map_err(|trouble| trouble.message)?;
    // Another role on the way may want one of its own.
    mfa.wanted().map_or(Ok(()), |wanted| Err(wants(settings, &wanted)))
}

/// What to type for a profile that wants a code.
pub(super) fn wants(settings: &Settings, wanted: &mfa::Wanted) -> SafeText {
    let name = settings.profile.as_deref().unwrap_or("default");
    let by = if wanted.profile == name { String::new() } else { format!(" (for {})", wanted.profile) };
    let serial = &wanted.serial;
    SafeText::new(&format!("profile {name} wants a code of {serial}{by}: type `:profile {name} CODE`"))
}

/// Opens another source, and keeps its channels open once it is taken up.
pub(super) async fn go(
    settings: Settings,
    to: Elsewhere,
    there: mpsc::Sender<Moved>,
    words: mpsc::Sender<Word>,
) {
    let (sender, events) = mpsc::channel(EVENTS);
    let (answering, answers) = mpsc::channel(EVENTS);
    let failed = |why: &SafeText| {
        let text = format!("stayed here: {} {}: {why}", to.word(), to.name().shown());
        Word::Tell(Msg::Moved(Err(SafeText::new(&text))))
    };
    if let Elsewhere::Coded(_, code) = &to
        && let Err(trouble) = spend(&settings, &code.0).await
    {
        let _ = words.send(failed(&trouble)).await;
        return;
    }
    let (source, identity) = match Source::open_proven(&settings, &sender).await {
        Ok(open) => open,
        Err(trouble) => {
            let _ = words.send(failed(&trouble.message)).await;
            return;
        }
    };
    let region = source.clients.as_ref().map(|clients| clients.region.clone()).unwrap_or_default();
    let text = format!("{} {}: {} {region}", to.word(), to.name().shown(), identity.account);
    let parts = Parts::of(source, &settings, &sender, answering);
    if there.send(Moved { settings, parts, events, answers }).await.is_ok() {
        let _ = words.send(Word::Tell(Msg::Moved(Ok(SafeText::new(&text))))).await;
    }
    // Until the console ends or goes on to yet another place.
    words.closed().await;
    drop(sender);
}
