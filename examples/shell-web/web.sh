echo "web started on port $PORT"
exec perl web.pl
