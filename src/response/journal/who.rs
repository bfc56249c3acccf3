//! Who acts, as the journal says it.

use serde_json::{Value, json};

/// Who acts: the AWS identity, and the person and host as far as they are known.
pub(crate) fn who(arn: Option<&str>) -> Value {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    json!({
        "arn": arn,
        "user": user_of(rustix::process::getuid().as_raw()).or_else(|| var("USER")).or_else(|| var("LOGNAME")),
        "sudo_user": var("SUDO_USER"),
        "uid": rustix::process::getuid().as_raw(),
        "host": host,
        "ssh_client": var("SSH_CLIENT").and_then(|c| c.split(' ').next().map(str::to_owned)),
        "process": std::process::id(),
        "process_started": i32::try_from(std::process::id()).ok().and_then(started),
    })
}

/// Whether the process that wrote `who` still runs here. A process id is used again, so its start counts too.
pub(in crate::response) fn alive(who: &Value) -> bool {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let Some(pid) = who.get("process").and_then(Value::as_i64).and_then(|p| i32::try_from(p).ok()) else {
        return false;
    };
    if who.get("host").and_then(Value::as_str) != Some(host.as_str()) {
        return false;
    }
    match (who.get("process_started").and_then(Value::as_u64), started(pid)) {
        (Some(then), Some(now)) => then == now,
        _ => rustix::process::Pid::from_raw(pid)
            .is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok()),
    }
}

/// When a process started, in clock ticks since boot (Linux); `None` for one that has ended.
fn started(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces; the start is field 22, the 20th after it.
    let mut after = stat.rsplit_once(')')?.1.split_whitespace();
    let state = after.next()?;
    if state == "Z" {
        return None;
    }
    after.nth(18)?.parse().ok()
}

/// The name of a user id, which nobody can set as they like in their environment.
fn user_of(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_acts_is_known_without_the_environment() {
        let who = who(Some("arn:aws:iam::1:user/ops"));
        assert_eq!(who["uid"], rustix::process::getuid().as_raw());
        assert_eq!(user_of(0).as_deref(), Some("root"));
        assert!(who["host"].as_str().is_some_and(|h| !h.is_empty()), "{who}");
        assert_eq!(who["process"], std::process::id());
    }

    #[test]
    fn this_process_is_alive_and_another_start_of_its_number_is_not() {
        let mut who = who(None);
        assert!(alive(&who));
        who["process_started"] = json!(1);
        assert!(!alive(&who));
        who["host"] = json!("elsewhere");
        assert!(!alive(&who));
    }
}
