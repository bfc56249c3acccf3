SELECT * AS payload, topic() AS topic, timestamp() AS received FROM 't'
