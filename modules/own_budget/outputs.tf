output "budget_names" {
  description = "Name of the budget, or nothing."
  value       = [for budget in aws_budgets_budget.this : budget.name]
}
