SELECT * FROM 'a' WHERE exists (SELECT * FROM e WHERE v > 100) AND 3 in [1, 2, 3]
