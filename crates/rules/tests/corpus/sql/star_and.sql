SELECT *, 15 AS speed, clientid() AS client FROM 'topic/#'
