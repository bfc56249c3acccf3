//! The language as the developer guide and the workshop's seeds use it.

use serde_json::{Value, json};

use super::{Message, Outcome, Properties, Statement, Version};

fn message<'a>(topic: &'a str, payload: &'a [u8]) -> Message<'a> {
    Message {
        topic,
        payload,
        client_id: Some("Thing01"),
        principal: Some("abcd"),
        source_ip: Some("127.0.0.1"),
        now_ms: 1_573_786_800_000,
        account_id: "123456789012",
        trace_id: "trace",
        shadow: None,
        registry: None,
        properties: None,
    }
}

fn run(sql: &str, topic: &str, payload: &str) -> Outcome {
    Statement::parse(sql, Version::V2016_03_23).unwrap().evaluate(&message(topic, payload.as_bytes()))
}

fn selected(sql: &str, payload: &str) -> Value {
    match run(sql, "topic/subtopic", payload) {
        Outcome::Selected(bytes) => serde_json::from_slice(&bytes).unwrap(),
        other => panic!("{sql}: {other:?}"),
    }
}

fn value(expr: &str) -> Value {
    selected(&format!("SELECT {expr} AS v FROM 'a'"), "{}").get("v").cloned().unwrap_or(json!("UNDEFINED"))
}

/// A statement that gives its templates nothing of its own.
fn bare() -> Statement {
    Statement::parse("SELECT * FROM 'a'", Version::V2016_03_23).unwrap()
}

fn fires(condition: &str, payload: &str) -> bool {
    run(&format!("SELECT * FROM 'a' WHERE {condition}"), "a", payload) != Outcome::NotSelected
}

const SHADOW: &str = r#"{"state":{"reported":{"Temperature":21.5,"Humidity":63}}}"#;

#[test]
fn the_seeds_rule_never_fires_on_a_valid_shadow_update_and_the_corrected_one_does() {
    let seed = "SELECT Humidity FROM '$aws/things/IoT-Temperature-Device/shadow/update' WHERE Humidity > 50";
    assert_eq!(run(seed, "$aws/things/IoT-Temperature-Device/shadow/update", SHADOW), Outcome::NotSelected);
    // The flat document the shadow service rejects is what reaches the seed's rule.
    assert_eq!(
        run(seed, "$aws/things/IoT-Temperature-Device/shadow/update", r#"{"Humidity":51}"#),
        Outcome::Selected(r#"{"Humidity":51}"#.into())
    );
    let right = "SELECT state.reported.Humidity AS Humidity, topic(3) AS thing \
                 FROM '$aws/things/+/shadow/update/accepted' WHERE state.reported.Humidity > 50";
    let topic = "$aws/things/IoTTemperatureDemoDevice/shadow/update/accepted";
    assert_eq!(
        run(right, topic, SHADOW),
        Outcome::Selected(r#"{"Humidity":63,"thing":"IoTTemperatureDemoDevice"}"#.into())
    );
    assert_eq!(run(right, topic, r#"{"state":{"reported":{"Humidity":50}}}"#), Outcome::NotSelected);
    assert_eq!(run(right, topic, r#"{"state":{"reported":{"Temperature":50}}}"#), Outcome::NotSelected);
}

#[test]
fn select_as_the_guide_shows_it() {
    let payload = r#"{"color":{"red":255,"green":0},"temperature":50}"#;
    assert_eq!(selected("SELECT color.red as red_value FROM 'a/b'", payload), json!({"red_value":255}));
    assert_eq!(
        selected("SELECT (temperature - 32) * 5 / 9 AS celsius, upper('red') as c FROM 'a'", payload),
        json!({"celsius":10,"c":"RED"})
    );
    assert_eq!(
        selected("SELECT *, 15 as speed FROM topic/#", payload),
        json!({"color":{"red":255,"green":0},"temperature":50,"speed":15})
    );
    assert_eq!(selected("select value color.red from 'a'", payload), json!(255));
    assert_eq!(
        selected("SELECT temperature AS a.b.c, 1 AS a.d FROM 'a'", payload),
        json!({"a":{"b":{"c":50},"d":1}})
    );
    assert_eq!(
        selected("SELECT color.red, topic(2) FROM 'a'", payload),
        json!({"red":255,"topic":"subtopic"})
    );
    assert_eq!(selected("SELECT nothing FROM 'a'", payload), json!({}));
    // `value` is a name where no expression follows.
    assert_eq!(selected("SELECT value FROM 'a'", r#"{"value":1}"#), json!({"value":1}));
    assert_eq!(selected("SELECT a FROM 'a'", r#"{"a":10.0}"#), json!({"a":10}));
}

#[test]
fn literals_and_nested_queries() {
    let payload =
        r#"{"lat_long":[47.606,-122.332],"e":[{"n":"temperature","v":22.5},{"n":"light","v":135}]}"#;
    assert_eq!(
        selected("SELECT {'latitude': get(lat_long, 0),'longitude':get(lat_long,1)} as p FROM 'a'", payload),
        json!({"p":{"latitude":47.606,"longitude":-122.332}})
    );
    assert_eq!(
        selected("SELECT (SELECT VALUE n FROM e) as s FROM 'a'", payload),
        json!({"s":["temperature","light"]})
    );
    assert_eq!(
        selected("SELECT (SELECT v FROM e WHERE n = 'temperature') as t FROM 'a'", payload),
        json!({"t":[{"v":22.5}]})
    );
    assert_eq!(
        selected("SELECT get((SELECT v FROM e WHERE n = 'temperature'), 0).v as t FROM 'a'", payload),
        json!({"t":22.5})
    );
    assert!(fires("exists (SELECT * FROM e WHERE v > 100)", payload));
    assert!(!fires("exists (SELECT * FROM e WHERE v > 200)", payload));
    assert!(fires("3 in [1, 2, 3] and not ('3' in [1,2,3])", payload));
}

#[test]
fn comparison_converts_text_and_equality_does_not() {
    assert!(fires("t > 50", r#"{"t":"51"}"#));
    assert!(!fires("t > 50", r#"{"t":"fifty"}"#));
    assert!(!fires("t > 50 OR t <= 50", r#"{"t":null}"#));
    assert!(fires("t = 51.0", r#"{"t":51}"#));
    assert!(!fires("t = 51", r#"{"t":"51"}"#));
    assert!(fires("t <> 51", r#"{"t":"51"}"#));
    // Compared with Undefined, nothing is true: not even `<>`, nor its negation.
    assert!(!fires("missing <> 51", "{}"));
    assert!(!fires("NOT (missing = 51)", "{}"));
    assert!(fires("isUndefined(missing) AND isNull(t)", r#"{"t":null}"#));
    assert!(fires("t AND NOT 'FALSE'", r#"{"t":"True"}"#));
    assert!(!fires("t", r#"{"t":1}"#));
}

#[test]
fn arithmetic_keeps_integers_and_refuses_division_by_zero() {
    assert_eq!(value("7 / 2"), json!(3));
    assert_eq!(value("7 / 2.0"), json!(3.5));
    assert_eq!(value("7 % 4 - -1"), json!(4));
    assert_eq!(value("'a' + 1"), json!("a1"));
    assert_eq!(value("'2' * '3'"), json!(6));
    assert_eq!(value("1 / 0"), json!("UNDEFINED"));
    assert_eq!(value("true + 1"), json!("UNDEFINED"));
    assert_eq!(value("2 + 3 * 4"), json!(14));
    assert_eq!(value("9223372036854775807 + 1"), json!(9_223_372_036_854_775_808f64));
}

#[test]
fn case_and_cast() {
    assert_eq!(value("CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'c' END"), json!("b"));
    assert_eq!(value("CASE 3 WHEN 1 THEN 'a' END"), json!("UNDEFINED"));
    assert_eq!(value("cast(true as Int)"), json!(1));
    assert_eq!(value("cast('23.45' as Decimal)"), json!(23.45));
    assert_eq!(value("cast(-1.5 as integer)"), json!(-2));
    assert_eq!(value("cast(0 as Boolean)"), json!(false));
    assert_eq!(value("cast([1,'a'] as String)"), json!("[1,\"a\"]"));
    assert_eq!(value("cast(null as String)"), json!("UNDEFINED"));
}

#[test]
fn functions_give_what_the_guide_says() {
    for (expr, want) in [
        ("abs('-5.123')", json!(5.123)),
        ("atan2(1, 0)", json!(std::f64::consts::FRAC_PI_2)),
        ("bitand(13, 5)", json!(5)),
        ("ceil(-1.2)", json!(-1)),
        ("chr(65)", json!("A")),
        ("clientid() + principal()", json!("Thing01abcd")),
        ("concat([1, 2, 3], 'hello', [4])", json!([1, 2, 3, "hello", 4])),
        ("concat(1, 'hello')", json!("1hello")),
        ("concat()", json!("UNDEFINED")),
        ("decode('eyAidGVtcGVyYXR1cmUiOiAzMyB9Cg==', 'base64').temperature", json!(33)),
        ("decode('%', 'base64')", json!(null)),
        ("encode('a', 'base64')", json!("YQ==")),
        ("endswith('cat', 'at')", json!(true)),
        ("floor(-1.2)", json!(-2)),
        ("get('abc', 1)", json!("b")),
        ("get({'a':'b'}, 'a')", json!("b")),
        ("get([1], 1)", json!("UNDEFINED")),
        ("indexof('abcd', 'bc')", json!(1)),
        ("length(false)", json!(5)),
        ("lower(['HELLO'])", json!("[\"hello\"]")),
        ("lpad(1, 3)", json!("   1")),
        ("md5('hello')", json!("5d41402abc4b2a76b9719d911017c592")),
        ("sha1('hello')", json!("aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")),
        ("mod(8, 3)", json!(2)),
        ("Nanvl(8, 3)", json!(8)),
        ("numbytes('€')", json!(3)),
        ("power(2, 5)", json!(32.0)),
        ("regexp_matches('aaaa', 'a{2,}')", json!(true)),
        ("regexp_matches('aaaa', '(')", json!("UNDEFINED")),
        ("regexp_replace('abcd', 'b(.*)d', '$1')", json!("ac")),
        ("regexp_substr('hihihello', '(hi)*')", json!("hihi")),
        ("replace('abcdabcd', 'b', 'x')", json!("axcdaxcd")),
        ("Round(-1.5)", json!(-2)),
        ("sign(-7)", json!(-1)),
        ("sqrt(-1)", json!("UNDEFINED")),
        ("substring('012345', 1, 3)", json!("12")),
        ("substring(false, -2.411E247)", json!("false")),
        ("substring('012345', 3, 1)", json!("")),
        ("sql_version()", json!("2016-03-23")),
        ("timestamp()", json!(1_573_786_800_000i64)),
        ("trunc(2.3789, 2)", json!(2.37)),
        ("accountid()", json!("123456789012")),
        ("abs(1, 2)", json!("UNDEFINED")),
        (
            "time_to_epoch('2020-04-03 09:45:18 UTC+01:00', 'yyyy-MM-dd HH:mm:ss VV')",
            json!(1_585_903_518_000i64),
        ),
        ("time_to_epoch('18 December 2015', 'dd MMMM yyyy')", json!(1_450_396_800_000i64)),
        ("parse_time(\"yyyy.MM.dd G 'at' HH:mm:ss z\", 100000000)", json!("1970.01.02 AD at 03:46:40 UTC")),
        ("parse_time('yyyy', timestamp(), 'UTC')", json!("2019")),
    ] {
        assert_eq!(value(expr), want, "{expr}");
    }
    assert_eq!(value("newuuid()").as_str().map(str::len), Some(36));
    assert!(value("rand()").as_f64().is_some_and(|r| (0.0..1.0).contains(&r)));
}

#[test]
fn a_payload_that_is_not_json_has_no_fields() {
    let rogue = "x".repeat(3000);
    assert_eq!(run("SELECT * FROM 'a'", "a", &rogue), Outcome::Selected(rogue.clone().into()));
    assert_eq!(run("SELECT * FROM 'a' WHERE timestamp() % 2 = 0", "a", "x"), Outcome::Selected("x".into()));
    assert_eq!(run("SELECT temperature FROM 'a'", "a", "x"), Outcome::ParseError);
    assert_eq!(run("SELECT * FROM 'a' WHERE t = 1", "a", "x"), Outcome::ParseError);
    assert_eq!(run("SELECT *, timestamp() AS ts FROM 'a'", "a", "x"), Outcome::ParseError);
    assert_eq!(
        run("SELECT encode(*, 'base64') AS data, topic() AS t FROM 'a'", "a", "x"),
        Outcome::Selected(r#"{"data":"eA==","t":"a"}"#.into())
    );
    // The workshop's telemetry is a bare number: JSON, without fields.
    assert_eq!(
        run("SELECT encode(*, 'base64') AS d FROM 'a'", "a", "23.45"),
        Outcome::Selected(r#"{"d":"MjMuNDU="}"#.into())
    );
    assert_eq!(run("SELECT temperature FROM 'a' WHERE temperature > 1", "a", "23.45"), Outcome::NotSelected);
}

#[test]
fn what_is_not_sql_is_refused_with_its_position() {
    for (sql, column) in [
        ("SELEC * FROM 'a'", 1),
        ("SELECT FROM 'a'", 8),
        ("SELECT * FRM 'a'", 10),
        ("SELECT * FROM 'a/#/b'", 15),
        ("SELECT * FROM 'a' WHERE", 24),
        ("SELECT * FROM 'a' WHERE t >", 28),
        ("SELECT * FROM 'a' WHERE t LIKE 'x%'", 27),
        ("SELECT nosuch(1) FROM 'a'", 8),
        ("SELECT cast(1 as Money) FROM 'a'", 18),
        ("SELECT 'open FROM a", 8),
        ("SELECT * FROM 'a' GROUP BY x", 19),
        ("SELECT case when 1 then 2 end FROM 'a'", 13),
    ] {
        let error = Statement::parse(sql, Version::V2016_03_23).unwrap_err();
        assert_eq!(error.line_column, (1, column), "{sql}: {error}");
    }
    let error = Statement::parse("SELECT *\nFROM 'a' WERE 1", Version::V2016_03_23).unwrap_err();
    assert_eq!(error.line_column, (2, 10));
    assert!(Statement::parse("SELECT isUndefined(a) FROM 'a'", Version::V2015_10_08).is_err());
    assert!(Statement::parse("SELECT [1] AS a FROM 'a'", Version::V2015_10_08).is_err());
}

#[test]
fn depth_from_outside_is_bounded() {
    let deep = format!("SELECT {}1{} AS v FROM 'a'", "(".repeat(5000), ")".repeat(5000));
    let long = format!("SELECT 1{} AS v FROM 'a'", " + 1".repeat(5000));
    let path = format!("SELECT a{} AS v FROM 'a'", ".a".repeat(5000));
    let nots = format!("SELECT * FROM 'a' WHERE {}true", "NOT ".repeat(5000));
    for sql in [deep, long, path, nots] {
        assert!(Statement::parse(&sql, Version::V2016_03_23).is_err());
    }
    assert_eq!(value(&format!("1{}", " + 1".repeat(150))), json!(151));
}

#[test]
fn templates_are_filled_from_the_message_not_from_aliases() {
    let render = |template: &str, payload: &str| {
        bare().template(template).unwrap().render(&message("dt/x/Thing01", payload.as_bytes()))
    };
    assert_eq!(render("${topic(3)}/${a.b + 1}", r#"{"a":{"b":1}}"#), "Thing01/2");
    assert_eq!(render("$$aws/things/${topic(3)}/shadow/update", "{}"), "$aws/things/Thing01/shadow/update");
    assert_eq!(render("${get({'a': '}'}, 'a')}!", "{}"), "}!");
    assert_eq!(render("[${missing}]", "{}"), "[]");
    assert_eq!(render("no expression, $5", "{}"), "no expression, $5");
    assert_eq!(render("${*}", r#"{"a":1}"#), r#"{"a":1}"#);
    for bad in ["${", "${a", "${a b}", "${}"] {
        assert!(bare().template(bad).is_err(), "{bad}");
    }
}

#[test]
fn templates_use_the_variables_of_their_statement() {
    let sql = "SET @site = get(split_at, 0), @c = (f - 32) * 5 / 9, @t = @c + 1 SELECT * FROM 'a'";
    let statement = Statement::parse(sql, Version::V2016_03_23).unwrap();
    let render = |template: &str, payload: &str| {
        statement.template(template).unwrap().render(&message("dt/x/Thing01", payload.as_bytes()))
    };
    let payload = r#"{"f":50,"split_at":["phx3"],"o":1}"#;
    assert_eq!(render("${@site}/${topic(3)}/${@t}", payload), "phx3/Thing01/11");
    assert_eq!(render("${@c * 2 + o}", payload), "21");
    assert_eq!(render("[${@site}]", "not JSON"), "[]");
    let unset = statement.template("${@nobody}").unwrap_err();
    assert!(unset.message.contains("before it is used") && unset.line_column == (1, 3), "{unset}");
    let object =
        Statement::parse("SET @o = {'a': topic(2)} SELECT * FROM 'a'", Version::V2016_03_23).unwrap();
    assert_eq!(object.template("x/${@o.a}").unwrap().render(&message("a/b", b"{}")), "x/b");
}

#[test]
fn from_takes_a_topic_filter_of_aws() {
    for bad in ["", "a/#/b", "a/b#", "a+/b", "a/b/c/d/e/f/g/h/i"] {
        let error = Statement::parse(&format!("SELECT * FROM '{bad}'"), Version::V2016_03_23).unwrap_err();
        assert!(error.message.starts_with("the topic filter of FROM: "), "{bad}: {error}");
    }
}

#[test]
fn the_whole_payload_under_a_name() {
    let payload = r#"{"color":"red"}"#;
    assert_eq!(
        selected("SELECT * AS payload, topic() AS topic FROM 't'", payload),
        json!({"payload":{"color":"red"},"topic":"topic/subtopic"})
    );
    assert_eq!(
        selected("SELECT *, topic(2) AS thing, * AS raw.all FROM 't'", payload),
        json!({"color":"red","thing":"subtopic","raw":{"all":{"color":"red"}}})
    );
    assert_eq!(selected("SELECT * AS payload FROM 't'", "23.45"), json!({"payload":23.45}));
    assert_eq!(run("SELECT * AS payload FROM 't'", "t", "not JSON"), Outcome::ParseError);
    assert_eq!(run("SELECT VALUE * FROM 't'", "t", "not JSON"), Outcome::Selected("not JSON".into()));
}

#[test]
fn value_is_a_keyword_before_an_expression_and_a_field_elsewhere() {
    let payload = r#"{"a":5,"value":9,"e":[{"n":1}]}"#;
    for (sql, expected) in [
        ("SELECT VALUE -a FROM 't'", json!(-5)),
        ("SELECT VALUE -5 FROM 't'", json!(-5)),
        ("SELECT VALUE -a + 1 FROM 't' WHERE a > 1", json!(-4)),
        ("SELECT VALUE (a) FROM 't'", json!(5)),
        ("SELECT (SELECT VALUE -n FROM e) AS s FROM 't'", json!({"s":[-1]})),
        ("SELECT value - 1 AS x FROM 't'", json!({"x":8})),
        ("SELECT value * 2 AS x FROM 't'", json!({"x":18})),
        ("SELECT value * a AS x, a FROM 't'", json!({"x":45,"a":5})),
        ("SELECT value, -a AS m FROM 't'", json!({"value":9,"m":-5})),
        ("SELECT value AS v FROM 't'", json!({"v":9})),
    ] {
        assert_eq!(selected(sql, payload), expected, "{sql}");
    }
}

#[test]
fn transform_enriches_the_objects_of_an_array() {
    let payload = r#"{"attributes":{"d":1},"values":[{"a":3},{"b":4}]}"#;
    assert_eq!(
        selected("SELECT VALUE transform('enrichArray', attributes, values) FROM 'in/t'", payload),
        json!([{"a":3,"d":1},{"b":4,"d":1}])
    );
    assert_eq!(
        selected("SELECT transform(\"enrichArray\", {'k': topic(1)}, values) AS v FROM 'in/t'", payload),
        json!({"v":[{"a":3,"k":"topic"},{"b":4,"k":"topic"}]})
    );
    // Arguments of other types are Undefined; another mode is no mode.
    assert_eq!(value("transform('enrichArray', [1], [{}])"), json!("UNDEFINED"));
    assert_eq!(value("transform('enrichArray', {'a':1}, [2])"), json!("UNDEFINED"));
    for mode in ["'flatten'", "mode", "@mode"] {
        let sql = format!("SET @mode = 'enrichArray' SELECT transform({mode}, a, b) FROM 't'");
        let error = Statement::parse(&sql, Version::V2016_03_23).unwrap_err();
        assert!(error.message.contains("'enrichArray'"), "{error}");
    }
}

#[test]
fn set_gives_variables_values() {
    let payload = r#"{"temp_fahrenheit":75,"d":{"s":{"t":1}},"e":[{"n":"a"},{"n":"b"}]}"#;
    assert_eq!(
        selected(
            "SET @c = (temp_fahrenheit - 32) * 5 / 9.0 SELECT round(@c) AS c FROM 't' WHERE @c > 20",
            payload
        ),
        json!({"c":24})
    );
    assert_eq!(
        selected(
            "SET @s = d.s, @t = @s.t + 1, @n = (SELECT VALUE n FROM e) SELECT @s.t AS s, @t AS t, @n AS n FROM 't'",
            payload
        ),
        json!({"s":1,"t":2,"n":["a","b"]})
    );
    assert_eq!(
        selected("SET @n = 'b' SELECT (SELECT VALUE n FROM e WHERE n = @n) AS n FROM 't'", payload),
        json!({"n":["b"]})
    );
    for (sql, why) in [
        ("SELECT @a FROM 't'", "before it is used"),
        ("SET @a = @b, @b = 1 SELECT @a FROM 't'", "before it is used"),
        ("SET @a = 1, @a = 2 SELECT @a FROM 't'", "set once"),
        ("SET a = 1 SELECT a FROM 't'", "@name = expression"),
        ("SET @a = 1 SET @b = 2 SELECT @a FROM 't'", "begins with SELECT"),
        ("SET @ = 1 SELECT 1 FROM 't'", "letters, digits or underscores"),
    ] {
        let error = Statement::parse(sql, Version::V2016_03_23).unwrap_err();
        assert!(error.message.contains(why), "{sql}: {error}");
    }
    assert!(bare().template("${@a}").unwrap_err().message.contains("before it is used"));
}

#[test]
fn what_only_aws_can_tell_is_named() {
    for (call, at) in [
        ("aws_lambda('arn', {'a': 1})", 8),
        ("get_dynamodb('t', 'k', 'v', 'role')", 8),
        ("upper(get_secret('s', 'SecretString', 'role'))", 14),
        ("machinelearning_predict('m', 'role', {'a': 1})", 8),
        ("decode(encode(*, 'base64'), 'proto', 'b', 'k', 'f', 'm')", 8),
    ] {
        let statement =
            Statement::parse(&format!("SELECT {call} AS v FROM 't'"), Version::V2016_03_23).unwrap();
        let told = statement.unmodelled().unwrap();
        assert!(told.message.contains("is not modelled") && told.line_column == (1, at), "{call}: {told}");
    }
    let template = bare().template("a/${get_secret('s')}").unwrap();
    assert_eq!(template.unmodelled().map(|told| told.line_column), Some((1, 5)));
    assert_eq!(
        Statement::parse("SELECT upper(a) FROM 't'", Version::V2016_03_23).unwrap().unmodelled(),
        None
    );
    // AWS IoT SQL has no comments.
    assert!(Statement::parse("SELECT * FROM 't' -- all", Version::V2016_03_23).is_err());
}

#[test]
fn properties_and_the_registry_can_be_read() {
    let users = [
        ("k".to_owned(), "1".to_owned()),
        ("o".to_owned(), "x".to_owned()),
        ("k".to_owned(), "2".to_owned()),
    ];
    let properties = Properties {
        content_type: Some("text/plain"),
        utf8: true,
        response_topic: Some("r/t"),
        correlation_data: Some(b"\xff\x00"),
        user_properties: &users,
    };
    let registry = |read: &str, thing: &str| Some(json!({ "read": read, "thingName": thing }));
    let with = |properties| Message { properties, registry: Some(&registry), ..message("t", b"{}") };
    let run = |expression: &str, message: &Message<'_>| {
        let sql = format!("SELECT {expression} AS v FROM 't'");
        match Statement::parse(&sql, Version::V2016_03_23).unwrap().evaluate(message) {
            Outcome::Selected(bytes) => serde_json::from_slice::<Value>(&bytes).unwrap()["v"].take(),
            other => panic!("{sql}: {other:?}"),
        }
    };
    let full = with(Some(properties));
    for (expression, value) in [
        ("get_mqtt_property('content_type')", json!("text/plain")),
        ("get_mqtt_property('format_indicator')", json!("UTF8_DATA")),
        ("get_mqtt_property('response_topic')", json!("r/t")),
        ("get_mqtt_property(\"correlation_data\")", json!("/wA=")),
        ("get_user_properties('k')", json!(["1", "2"])),
        ("get(get_user_properties('k'), 1)", json!("2")),
        ("get_user_properties('K')", Value::Null),
        ("get_user_properties()", json!([{"k": "1"}, {"o": "x"}, {"k": "2"}])),
        (
            "get_registry_data('DescribeThing', clientid(), 'arn:aws:iam::1:role/r')",
            json!({"read": "DescribeThing", "thingName": "Thing01"}),
        ),
        ("get_registry_data('DescribeThing', nobody, 'arn')", Value::Null),
        ("get_registry_data('DescribeThing', 'Thing01')", Value::Null),
        ("md2('abc')", json!("da853b0d3f88d99b30283a69e6ded6bb")),
        ("md2('')", json!("8350e5a3e24c153df2275c9f80692773")),
        ("md2(nothing)", Value::Null),
    ] {
        assert_eq!(run(expression, &full), value, "{expression}");
    }
    // A PUBLISH of MQTT 5 without any, and one of MQTT 3.1.1.
    let (bare, older) = (with(Some(Properties::default())), with(None));
    assert_eq!(run("get_mqtt_property('format_indicator')", &bare), json!("UNSPECIFIED_BYTES"));
    assert_eq!(run("get_mqtt_property('correlation_data')", &bare), Value::Null);
    assert_eq!(run("get_user_properties()", &bare), json!([]));
    assert_eq!(run("get_mqtt_property('format_indicator')", &older), Value::Null);
    assert_eq!(run("get_user_properties()", &older), Value::Null);
    for wrong in [
        "get_mqtt_property('contentType')",
        "get_mqtt_property(a)",
        "get_mqtt_property()",
        "get_registry_data('UpdateThing', 't', 'r')",
        "get_registry_data(a, 't', 'r')",
    ] {
        let error =
            Statement::parse(&format!("SELECT {wrong} AS v FROM 't'"), Version::V2016_03_23).unwrap_err();
        assert!(error.message.contains("written as text"), "{wrong}: {error}");
    }
    // Who tries a rule on what was heard is told what cannot be tried.
    let statement =
        Statement::parse("SELECT get_user_properties() AS v FROM 't'", Version::V2016_03_23).unwrap();
    assert_eq!(statement.unmodelled(), None);
    assert!(statement.remarks().iter().any(|remark| remark.text.contains("reads the properties of MQTT 5")));
}

#[test]
fn times_from_outside_are_undefined_where_they_are_not_times() {
    let at = |ts: &str| {
        let payload = json!({ "ts": ts }).to_string();
        selected("SELECT time_to_epoch(ts, 'yyyy-MM-dd HH:mm:ss z') AS v FROM 't'", &payload)
    };
    assert_eq!(at("2026-01-01 00:00:00 +01:00"), json!({"v": 1_767_222_000_000i64}));
    assert_eq!(at("2026-01-01 00:00:00 UTC-1"), json!({"v": 1_767_229_200_000i64}));
    for no in ["+aéb", "+é", "+", "-1:2:3:4:5", "+9999", "+\u{0661}\u{0662}", "é"] {
        assert_eq!(at(&format!("2026-01-01 00:00:00 {no}")), json!({}), "{no}");
    }
    let long = json!({"p": "y".repeat(70_000)}).to_string();
    assert_eq!(selected("SELECT parse_time(p, 0) AS v FROM 't'", &long), json!({}));
}

#[test]
fn work_is_bounded() {
    // Each level looks at everything again.
    let mut nested = "[1,1,1,1,1,1,1,1,1,1]".to_owned();
    for _ in 0..12 {
        nested = format!("(SELECT VALUE {nested} FROM [1,1,1,1,1,1,1,1,1,1])");
    }
    let doubled: String = (1..60).map(|i| format!(", @v{i} = @v{0} + @v{0}", i - 1)).collect();
    let payload = json!({"p": "a".repeat(100_000)}).to_string();
    for sql in [
        format!("SELECT {nested} AS v FROM 't'"),
        format!("SET @v0 = p{doubled} SELECT @v59 AS v FROM 't'"),
        format!("SELECT [{}] AS v FROM 't'", vec!["*"; 5_000].join(",")),
        format!(
            "SELECT (SELECT VALUE regexp_matches('{}', '{}') FROM [{}]) AS v FROM 't'",
            "a".repeat(50_000),
            "(a*)*b".repeat(100),
            vec!["1"; 1_000].join(",")
        ),
    ] {
        assert_eq!(run(&sql, "t", &payload), Outcome::TooMuch, "{}", &sql[..60]);
    }
    for grown in [
        "replace(p, 'a', p)",
        "replace(p, '', p)",
        "regexp_replace(p, 'a*', '$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0$0')",
    ] {
        assert_eq!(selected(&format!("SELECT {grown} AS v FROM 't'"), &payload), json!({}), "{grown}");
    }
    // What is meant stays far below.
    let readings = json!({"e": vec![json!({"n": "t", "v": 1}); 4_000]}).to_string();
    let sql = "SELECT *, (SELECT VALUE v FROM e WHERE n = 't') AS all, transform('enrichArray', {'a':1}, e) AS f FROM 't'";
    assert!(matches!(run(sql, "t", &readings), Outcome::Selected(_)));
}
