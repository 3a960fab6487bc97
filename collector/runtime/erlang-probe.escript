#!/usr/bin/env escript
%% The collector's hidden node: asks one Erlang node how it is, whenever it gets a line `s`, and answers in lines.
%% Started by collector/runtime/erlang-probe.ts; the first two lines of its input are the node and its cookie (so that the
%% cookie stands in no command line). It ends when its input ends.
%%
%%   begin          how the node is, in lines `<key> <number>`
%%   ...
%%   end
%%   down <reason>  the node cannot be reached
%%   error <reason> it was reached and did not answer
%%
%% What it does to the node: one process there that switches on the accounting of scheduler time and of microstates, and
%% switches it off again when this one is gone; one short remote call a second. Mailboxes are counted by a process of low
%% priority, not again before fifty times the time that the last count took, and not at all above a number of
%% processes. Nothing is loaded into it.

-define(CALL_MS, 3000).
-define(SCAN_MS, 30000).
-define(SCAN_PAUSE, 50).
-define(SCAN_PROCESSES_MAX, 1000000).

main(_) ->
    Node = list_to_atom(line()),
    erlang:set_cookie(Node, list_to_atom(line())),
    process_flag(trap_exit, true),
    loop(#{node => Node, holder => none, scan => none, queues => none,
           next_scan => erlang:monotonic_time(millisecond),
           sample => forms(sample()), count => forms(count()), hold => forms(hold())}).

line() ->
    case io:get_line("") of
        Text when is_list(Text) -> string:trim(Text);
        _ -> halt(0)
    end.

loop(State) ->
    case line() of
        "s" -> loop(answer(State));
        _ -> loop(State)
    end.

answer(#{node := Node} = State0) ->
    State = scanned(State0),
    case net_kernel:hidden_connect_node(Node) of
        true -> told(held(State));
        _ -> io:format("down ~s~n", [why(Node)]), State#{holder := none, queues := none}
    end.

told(#{node := Node, sample := Sample} = State) ->
    case remote(Node, Sample, [{'Self', node()}], ?CALL_MS) of
        {value, Pairs} ->
            io:format("begin~n"),
            [io:format("~s ~w~n", [Key, Value]) || {Key, Value} <- Pairs, is_number(Value)],
            tell_queues(State),
            io:format("end~n"),
            scanning(State, proplists:get_value(processes, Pairs, 0));
        {failed, Reason} ->
            io:format("error ~s~n", [Reason]),
            State
    end.

tell_queues(#{queues := none}) -> ok;
tell_queues(#{queues := {{Total, Max, NonEmpty}, At, Took}}) ->
    Age = erlang:monotonic_time(millisecond) - At,
    io:format("queue_total ~w~nqueue_max ~w~nqueue_nonempty ~w~nqueue_age_ms ~w~nqueue_scan_us ~w~n",
              [Total, Max, NonEmpty, Age, Took]).

%% The process there that keeps the accounting on lives as long as its link to this one.
held(#{node := Node, holder := none, hold := Hold} = State) ->
    State#{holder := spawn_link(Node, erl_eval, exprs, [Hold, erl_eval:new_bindings()])};
held(State) -> State.

%% Takes in what came from the counting process, and the end of the holder.
scanned(#{holder := Holder, scan := Scan} = State) ->
    receive
        {Scan, Counts, Took} ->
            Now = erlang:monotonic_time(millisecond),
            Next = Now + max(1000, ?SCAN_PAUSE * Took div 1000),
            scanned(State#{scan := none, queues := {Counts, Now, Took}, next_scan := Next});
        {Scan, failed} ->
            scanned(State#{scan := none, next_scan := erlang:monotonic_time(millisecond) + ?SCAN_MS});
        {'EXIT', Holder, _} -> scanned(State#{holder := none});
        _ -> scanned(State)
    after 0 -> State
    end.

scanning(#{scan := none, node := Node, count := Count, next_scan := Next} = State, Processes)
  when Processes =< ?SCAN_PROCESSES_MAX ->
    case erlang:monotonic_time(millisecond) >= Next of
        true ->
            Self = self(),
            Ref = make_ref(),
            spawn(fun() ->
                case remote(Node, Count, [], ?SCAN_MS) of
                    {value, {Counts, Took}} -> Self ! {Ref, Counts, Took};
                    _ -> Self ! {Ref, failed}
                end
            end),
            State#{scan := Ref};
        false -> State
    end;
scanning(State, _) -> State.

remote(Node, Forms, Bindings, TimeoutMs) ->
    case rpc:call(Node, erl_eval, exprs, [Forms, Bindings], TimeoutMs) of
        {value, Value, _} -> {value, Value};
        {badrpc, timeout} -> {failed, "no answer in time"};
        {badrpc, nodedown} -> {failed, "connection lost"};
        {badrpc, _} -> {failed, "the call was refused"}
    end.

why(Node) ->
    [Name, Host] = string:split(atom_to_list(Node), "@"),
    case erl_epmd:port_please(Name, Host, 2000) of
        {port, Port, _} ->
            case gen_tcp:connect(Host, Port, [], 2000) of
                {ok, Socket} ->
                    gen_tcp:close(Socket),
                    "the node refused: is the cookie right?";
                _ -> "nobody listens at its port"
            end;
        noport -> "epmd knows no node of this name";
        _ -> "no epmd answers on its host"
    end.

forms(Text) ->
    {ok, Tokens, _} = erl_scan:string(Text),
    {ok, Forms} = erl_parse:parse_exprs(Tokens),
    Forms.

hold() ->
    "process_flag(trap_exit, true),"
    "erlang:system_flag(scheduler_wall_time, true),"
    "Before = erlang:system_flag(microstate_accounting, true),"
    "receive {'EXIT', _, _} -> erlang:system_flag(microstate_accounting, Before) end.".

%% Numbers of schedulers above `Schedulers` are those of dirty schedulers, for CPU first, which have their own sum.
sample() ->
    "Schedulers = erlang:system_info(schedulers),"
    "Walls = case erlang:statistics(scheduler_wall_time_all) of undefined -> []; List -> List end,"
    "{Active, Wall} = lists:foldl(fun({Id, A, T}, {As, Ts}) when Id =< Schedulers -> {As + A, Ts + T};"
    "    (_, Sums) -> Sums end, {0, 0}, Walls),"
    "Dirty = Schedulers + erlang:system_info(dirty_cpu_schedulers),"
    "{DirtyActive, DirtyWall} = lists:foldl(fun({Id, A, T}, {As, Ts}) when Id > Schedulers, Id =< Dirty ->"
    "    {As + A, Ts + T}; (_, Sums) -> Sums end, {0, 0}, Walls),"
    "{Switches, _} = erlang:statistics(context_switches),"
    "{Reductions, _} = erlang:statistics(reductions),"
    "{Collections, Words, _} = erlang:statistics(garbage_collection),"
    "{{_, In}, {_, Out}} = erlang:statistics(io),"
    "{Uptime, _} = erlang:statistics(wall_clock),"
    "{Runtime, _} = erlang:statistics(runtime),"
    "{DistIn, DistOut} = case catch net_kernel:nodes_info() of"
    "    {ok, Infos} -> lists:foldl(fun({N, _}, Sums) when N =:= Self -> Sums; ({_, Info}, {I, O}) ->"
    "        {I + proplists:get_value(in, Info, 0), O + proplists:get_value(out, Info, 0)} end, {0, 0}, Infos);"
    "    _ -> {0, 0} end,"
    "States = case catch erlang:statistics(microstate_accounting) of"
    "    Threads when is_list(Threads) -> [Counters || #{type := scheduler, counters := Counters} <- Threads];"
    "    _ -> [] end,"
    "State = fun(Key) -> lists:sum([maps:get(Key, Counters, 0) || Counters <- States]) end,"
    "Memory = erlang:memory(),"
    "[{run_queue, erlang:statistics(total_run_queue_lengths)},"
    " {active_tasks, erlang:statistics(total_active_tasks)},"
    " {schedulers, erlang:system_info(schedulers_online)},"
    " {sched_active, Active}, {sched_wall, Wall}, {dirty_active, DirtyActive}, {dirty_wall, DirtyWall},"
    " {switches, Switches}, {reductions, Reductions},"
    " {gc_count, Collections}, {gc_bytes, Words * erlang:system_info(wordsize)},"
    " {io_in, In}, {io_out, Out}, {dist_in, DistIn}, {dist_out, DistOut},"
    " {uptime_ms, Uptime}, {cpu_ms, Runtime},"
    " {processes, erlang:system_info(process_count)}, {process_limit, erlang:system_info(process_limit)},"
    " {ports, erlang:system_info(port_count)}, {atoms, erlang:system_info(atom_count)},"
    " {ets_tables, catch erlang:system_info(ets_count)}, {nodes, length(nodes())}]"
    " ++ [{list_to_atom(\"memory_\" ++ atom_to_list(Kind)), Bytes} || {Kind, Bytes} <- Memory,"
    "     lists:member(Kind, [total, processes, system, atom, binary, code, ets])]"
    " ++ [{list_to_atom(\"state_\" ++ atom_to_list(Key)), State(Key)} ||"
    "     Key <- [emulator, gc, port, check_io, aux, other, sleep]].".

count() ->
    "process_flag(priority, low),"
    "Start = erlang:monotonic_time(microsecond),"
    "Counts = lists:foldl(fun(Pid, {Total, Max, NonEmpty} = Sums) ->"
    "    case process_info(Pid, message_queue_len) of"
    "        {_, 0} -> Sums;"
    "        {_, Length} -> {Total + Length, max(Max, Length), NonEmpty + 1};"
    "        undefined -> Sums end end, {0, 0, 0}, processes()),"
    "{Counts, erlang:monotonic_time(microsecond) - Start}.".
