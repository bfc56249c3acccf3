SELECT (temperature - 32) * 5 / 9 % 7 + -1 AS v FROM 'a' WHERE NOT (a <> b OR a != c) AND d <= 1.5e-3 AND x >= 2
