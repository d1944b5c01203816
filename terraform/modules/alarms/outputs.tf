output "names" {
  description = "Names of all alarms."
  value = sort(concat(
    [for alarm in aws_cloudwatch_metric_alarm.age : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.dlq : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.no_poll : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.undelivered : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.failed : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.lost : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.trail : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.deaf : alarm.alarm_name],
  ))
}
