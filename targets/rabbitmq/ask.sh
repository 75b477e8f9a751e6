# Evaluates $1 in the RabbitMQ server beside it and prints the binary that comes of
# it. A plain Erlang starts four times as fast as rabbitmqctl, which is the way where
# that one's name or cookie is not the usual one. It leaves nothing behind.
if [ "${RABBITMQ_USE_LONGNAME:-false}" != true ] && command -v erl >/dev/null 2>&1; then
	ERL_CRASH_DUMP_SECONDS=0 erl -boot no_dot_erlang -noinput -hidden -start_epmd false -sname "aftershock$$" +S 1:1 +A 1 +sbwt none -eval '
		{ok, Host} = inet:gethostname(),
		Node = list_to_atom(os:getenv("RABBITMQ_NODENAME", "rabbit@" ++ Host)),
		case os:getenv("RABBITMQ_ERLANG_COOKIE") of false -> ok; Cookie -> erlang:set_cookie(list_to_atom(Cookie)) end,
		{ok, Tokens, _} = erl_scan:string(hd(init:get_plain_arguments())),
		{ok, Parsed} = erl_parse:parse_exprs(Tokens),
		case rpc:call(Node, erl_eval, exprs, [Parsed, []]) of
			{value, Told, _} -> io:format("~p~n", [Told]), halt(0);
			_ -> halt(1)
		end.' -extra "$1" 2>/dev/null && exit 0
fi
exec rabbitmqctl --quiet eval "$1"
