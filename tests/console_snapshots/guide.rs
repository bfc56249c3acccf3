//! The workshop's guide: a step is done by what is true of the account, and unknown where nobody looked.

use quell_fleet::event::Reading;
use quell_fleet::{Fleet, Limits, SourceId};

use crate::views::account;
use crate::world::*;

fn guide(fleet: &Fleet) -> String {
    let mut app = App::new(look(false));
    render(&mut app, fleet, NOW, (160, 90));
    press(&mut app, fleet, "gt");
    lines(&render(&mut app, fleet, NOW, (160, 90)))
}

#[test]
fn a_step_is_done_by_what_is_there_and_unknown_where_nobody_looked() {
    let told = guide(&account());
    for step in [
        "· A profile says how large a message may be  DetectLargeMessageSize calls large messages normal",
        "· A profile counts messages  MsgSentSecProfile is attached to nothing",
        "✓ The compromised device stands out",
        "? The answer was the group and the shadow  the journal is not read yet",
        "here      g a, on a finding: m picks the action",
    ] {
        assert!(told.contains(step), "{step}:\n{told}");
    }
}

#[test]
fn nothing_is_done_on_an_account_nobody_has_read_and_nothing_is_denied_of_it() {
    let mut fleet = Fleet::new(Limits::default());
    let told = guide(&fleet);
    assert!(told.contains("0 of 18 done") && !told.contains("no profile has such"), "{told}");
    poll(&mut fleet, SourceId::Profiles, Reading::Profiles(Vec::new()));
    assert!(guide(&fleet).contains("· A profile counts messages  no profile has such a behaviour"));
}
