//! The pages about policies and case files, as a reader follows them: every command in them is run, in order, and ends as the
//! page says.

use crate::world::World;

/// The words of a command line of the pages: blanks part them, single quotes keep them together.
fn words(line: &str) -> Vec<String> {
    let (mut all, mut quoted, mut open) = (Vec::new(), false, false);
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                if quoted && !open {
                    all.push(String::new());
                    open = true;
                }
            }
            c if c.is_whitespace() && !quoted => open = false,
            c => {
                if !open {
                    all.push(String::new());
                    open = true;
                }
                all.last_mut().unwrap().push(c);
            }
        }
    }
    all
}

/// Runs the commands of a page one after the other; how many there were.
async fn follow(world: &World, page: &str) -> usize {
    let text = std::fs::read_to_string(format!("docs/{page}")).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut run = 0;
    for line in blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty()) {
        let (command, code) = match line.split_once("# exit ") {
            Some((command, code)) => (command, code.trim().parse().unwrap()),
            None => (line, 0),
        };
        let (command, into) = match command.split_once('>') {
            Some((command, file)) => (command, Some(file.trim())),
            None => (command, None),
        };
        let words = words(command);
        assert_eq!(
            words.first().map(String::as_str),
            Some("quell"),
            "{page}: only quell is run here: {line}"
        );
        let args: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
        let ran = world.run(&args).await;
        assert_eq!(ran.code, Some(code), "{page}: {line}\n{}\n{}", ran.out, ran.err);
        if let Some(file) = into {
            world.file(file, &ran.out);
        }
        run += 1;
    }
    run
}

#[test]
fn a_command_line_is_read_as_a_shell_reads_it() {
    assert_eq!(
        words("quell  case add c --note 'a b' ''x"),
        ["quell", "case", "add", "c", "--note", "a b", "x"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_about_policies_is_true() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02"]).await;
    world.file("sensors.json", crate::policy::NARROW);
    let _device = world.device("Thing02", &certificate).await;
    assert_eq!(follow(&world, "policy.md").await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_about_cases_is_true() {
    let world = World::start().await;
    let certificate = world.things(&["Thing02", "Thing03"]).await;
    let _devices = [world.device("Thing02", &certificate).await, world.device("Thing03", &certificate).await];
    assert_eq!(follow(&world, "case.md").await, 10);
}
