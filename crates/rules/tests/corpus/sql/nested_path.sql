SELECT foo.bar AS bar.baz, a.b.c FROM 'topic/subtopic'
