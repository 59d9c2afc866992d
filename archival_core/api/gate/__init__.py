"""What every request and every answer passes: bounds, patience, what nobody understands, few bytes."""
