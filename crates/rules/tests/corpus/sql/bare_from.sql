SELECT temp, md5(deviceid) AS hashed_id FROM topic/#
