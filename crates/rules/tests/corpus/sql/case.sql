SELECT CASE color WHEN 'green' THEN 'go' WHEN 'red' THEN 'stop' ELSE 'you are supposed to stop at stop signs' END AS instructions FROM 'a'
