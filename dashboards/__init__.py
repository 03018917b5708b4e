"""What people look at and are paged by: dashboards and rules, as typed Python."""
