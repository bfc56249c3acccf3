SELECT cast(a as Decimal) AS a, cast(b as Int) AS b, cast(c as Boolean) AS c, cast(d as String) AS d FROM 'a'
