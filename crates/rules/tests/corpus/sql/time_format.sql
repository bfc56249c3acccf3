SELECT parse_time(p, ts, 'Europe/Berlin') AS a, parse_time("yyyy.MM.dd G 'at' HH:mm:ss z", 100000000) AS b FROM 'a'
