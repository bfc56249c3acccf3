SELECT substring(p, 1, 3) AS a, lpad(p, 4) AS b, indexof(p, 'é') AS c, concat(p, q, [1]) AS d, chr(65) AS e, replace(p, 'a', 'bb') AS f FROM 'a'
