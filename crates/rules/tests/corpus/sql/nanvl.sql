SELECT nanvl(a, 1) AS a, isUndefined(b) AS b, isNull(c) AS c FROM 'a' WHERE get_or_default(a, true)
