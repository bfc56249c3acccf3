SELECT * FROM 'a' WHERE a = 'it''s';
