SELECT state.reported.Humidity AS Humidity, topic(3) AS thing FROM '$aws/things/+/shadow/update/accepted' WHERE state.reported.Humidity > 50
