SELECT power(a, 9) AS a, mod(b, 0) AS b, bitand(13, c) AS c, trunc(d, 40) AS d, 9223372036854775807 + 1 AS e FROM 'a'
