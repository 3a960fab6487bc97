-- One metric of a run over time, for a chart; a second that was not measured has no line.
SELECT
  toDateTime(intDiv(wall_ms, 1000), 'UTC') AS time,
  host,
  value
FROM rows FINAL
WHERE run_id = {run:String} AND metric = {metric:String}
ORDER BY wall_ms, host
