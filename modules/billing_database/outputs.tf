output "cluster_arn" {
  description = "ARN of the cluster, for the Data API."
  value       = aws_rds_cluster.this.arn

  # Statements need a running instance.
  depends_on = [aws_rds_cluster_instance.this]
}

output "secret_arn" {
  description = "ARN of the secret with the database's user and password."
  value       = aws_rds_cluster.this.master_user_secret[0].secret_arn
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
