SELECT regexp_replace(p, 'a+(b*)', '$1$0') AS a, regexp_matches(p, '^(a|b)*$') AS b, regexp_substr(p, '(hi)*') AS c FROM 'a'
