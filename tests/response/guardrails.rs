//! What the configuration forbids or asks for, over the wire: change windows, bulk, patterns, and levels. The strictest wins.

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn windows_patterns_bulk_and_levels_hold_and_the_strictest_wins() {
    let world = World::start().await;
    world.things(&["line-1", "lab-1", "lab-2", "lab-3"]).await;
    world.group("NeedsUpdate").await;
    world.door.forget();
    let join = |things: &[&'static str], more: &[&'static str]| -> Vec<&'static str> {
        [&["join", "NeedsUpdate"], things, &["--yes", "--json"], more].concat()
    };
    let never = "[[guardrails.rule]]\noutside = \"00:00-24:00\"\nrequire = \"deny\"\n";
    let closed = "[[guardrails.rule]]\nwithin = \"00:00-24:00\"\nrequire = \"deny\"\nreason = \"freeze\"\n";
    let cases: [(&str, Vec<&str>, i32, &str); 9] = [
        (closed, join(&["lab-1"], &[]), 4, "freeze"),
        ("[guardrails]\nmax-bulk = 2\n", join(&["lab-1", "lab-2", "lab-3"], &[]), 4, "allows 2"),
        (
            "[[guardrails.rule]]\nthing = [\"line-*\"]\nrequire = \"deny\"\n",
            join(&["lab-1", "line-1"], &[]),
            4,
            "forbids",
        ),
        (
            "[[guardrails.rule]]\ngroup = [\"Needs*\"]\nrequire = \"deny\"\n",
            join(&["lab-1"], &[]),
            4,
            "forbids",
        ),
        ("[guardrails]\nlevels = { join = \"deny\" }\n", join(&["lab-1"], &[]), 4, "never allows"),
        // --yes does not know the account: it has to be given.
        ("[guardrails]\nlevels = { join = \"account\" }\n", join(&["lab-1"], &[]), 4, "not confirmed"),
        (
            "[guardrails]\nlevels = { join = \"account\" }\n",
            join(&["lab-1"], &["--confirm", "123456789013"]),
            4,
            "not confirmed",
        ),
        // The level asks for nothing, a rule for the name, another one for the account: that one holds.
        (
            "[guardrails]\nlevels = { join = \"none\" }\n[[guardrails.rule]]\nrequire = \"name\"\n[[guardrails.rule]]\nthing = [\"lab-*\"]\nrequire = \"account\"\n",
            join(&["lab-1"], &["--confirm", "lab-1"]),
            4,
            "not confirmed",
        ),
        (
            "[[guardrails.rule]]\nrequire = \"name\"\n",
            join(&["lab-1"], &["--confirm", "lab-2"]),
            4,
            "not confirmed",
        ),
    ];
    for (config, line, code, why) in cases {
        let ran = world.run_with(&line, config, None).await;
        assert_eq!(ran.code, Some(code), "{config}: {ran:?}");
        assert!(ran.err.contains(why), "{config}: {why}: {ran:?}");
        assert_eq!(world.changed(), 0, "{config}");
    }
    let open = world.run_with(&join(&["lab-1"], &[]), never, None).await;
    assert_eq!(open.code, Some(0), "inside of its window it runs: {open:?}");
    let account = "[guardrails]\nlevels = { join = \"account\" }\n";
    let typed = world.run_with(&join(&["lab-2"], &["--confirm", "123456789012"]), account, None).await;
    assert_eq!(typed.code, Some(0), "{typed:?}");
    // No question at all, and not even --yes, where the configuration asks for nothing.
    let free = "[guardrails]\nlevels = { join = \"none\" }\n";
    let unasked = world.run_with(&["join", "NeedsUpdate", "lab-3", "--json"], free, None).await;
    assert_eq!(unasked.code, Some(0), "{unasked:?}");
}
