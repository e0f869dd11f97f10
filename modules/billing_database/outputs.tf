output "cluster_arn" {
  description = "ARN of the cluster, for the Data API."
  value       = aws_rds_cluster.this.arn

  # Statements need a running instance.
  depends_on = [aws_rds_cluster_instance.this]
}

output "secret_arn" {
  description = "ARN of the secret of the master user, which only `migrate-billing-database` uses."
  value       = aws_rds_cluster.this.master_user_secret[0].secret_arn
}

output "loader_secret_arn" {
  description = "ARN of the secret of the user who writes bills and rates."
  value       = aws_secretsmanager_secret.user["loader"].arn
}

output "reader_secret_arn" {
  description = "ARN of the secret of the user who reads tables and views: for reconciliation, the console and BI tools."
  value       = aws_secretsmanager_secret.user["reader"].arn
}

output "database_name" {
  description = "Schema that the tables are in."
  value       = var.database_name
}

output "cluster_identifier" {
  description = "Name of the cluster: `aws rds describe-db-clusters --db-cluster-identifier …` shows its endpoint."
  value       = aws_rds_cluster.this.cluster_identifier
}

output "security_group_id" {
  description = "Security group of the database."
  value       = aws_security_group.this.id
}

output "observability" {
  description = "What the module observability shows of the database."
  value       = { cluster_identifier = aws_rds_cluster.this.cluster_identifier }
}
