SELECT VALUE arr FROM 'topic'
