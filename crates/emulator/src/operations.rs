//! The operations that are there, as the table `quell local --operations` prints and docs/local-cloud.md holds.

use super::api::{Service, routes};

/// An operation as its clients send it.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    /// AWS's name.
    pub name: &'static str,
    /// What credential scopes call its service.
    pub service: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// The URI: `{name}` is one segment, `{name+}` the rest of the path.
    pub path: &'static str,
}

/// The operations that have a path of their own, in the order of the table.
pub fn all() -> impl Iterator<Item = Operation> {
    routes::all().map(|route| Operation {
        name: route.op,
        service: signing_name(route.service),
        method: route.method,
        path: route.path,
    })
}

/// A Markdown table: service, resources, operations; a row for each family of the route table.
pub fn table() -> String {
    let mut rows: Vec<(Service, &str, Vec<&str>)> = Vec::new();
    for (service, family, op) in routes::listed() {
        match rows.iter_mut().find(|(s, f, _)| (*s, *f) == (service, family)) {
            // CloudWatch has the same operations in several protocols.
            Some((_, _, ops)) if ops.contains(&op) => {}
            Some((_, _, ops)) => ops.push(op),
            None => rows.push((service, family, vec![op])),
        }
    }
    let mut out = String::from("| service | resources | operations |\n| --- | --- | --- |\n");
    for (service, family, ops) in rows {
        out.push_str(&format!("| `{}` | {family} | {} |\n", signing_name(service), ops.join(", ")));
    }
    out
}

/// What credential scopes call the service.
fn signing_name(service: Service) -> &'static str {
    match service {
        Service::Iot => "iot",
        Service::IotData => "iotdata",
        Service::JobsData => "iot-jobs-data",
        Service::Sts => "sts",
        Service::Iam => "iam",
        Service::Sns => "sns",
        Service::CloudWatch => "monitoring",
        Service::S3 => "s3",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: &str = "<!-- operations -->\n";
    const END: &str = "<!-- end of operations -->";

    /// `UPDATE_DOCS=1 cargo test -p quell-emulator operations` writes the table there.
    #[test]
    fn the_page_holds_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/local-cloud.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (head, rest) = page.split_once(BEGIN).unwrap();
        let (held, tail) = rest.split_once(END).unwrap();
        let table = table();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        } else {
            assert_eq!(
                held, table,
                "UPDATE_DOCS=1 cargo test -p quell-emulator operations brings it up to date"
            );
        }
    }

    #[test]
    fn an_operation_stands_in_one_row_only() {
        let table = table();
        for op in ["CreateThing,", "GetPendingJobExecutions", "GetCallerIdentity", "ListMetrics"] {
            assert_eq!(table.matches(op).count(), 1, "{op}\n{table}");
        }
    }
}
